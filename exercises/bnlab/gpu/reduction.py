"""CuPy's ReductionKernel on NumPy arrays: 512 partial results as on the GPU, then a tree."""

import numpy as np

from bnlab.gpu import settings, typed
from bnlab.gpu.device_array import on_device
from bnlab.gpu.typed import C_TYPES

WIDTH = 512  # threads of CuPy's blocks


class ReductionKernel:
    """A reduction over axes, as `cupy.ReductionKernel`.

    Parameters
    ----------
    in_params, out_params : str
        As for ElementwiseKernel; one output.
    map_expr : str
        From the elements to a value: "(x - k) * (x - k)".
    reduce_expr : str
        From two values `a` and `b` to one: "a + b". Their order is not fixed.
    post_map_expr : str
        Assigns the output from the result `a`: "y = a / _in_ind.size() * _out_ind.size()".
    identity : str or number
        What every partial result starts from, several times over; with "" or None that is `_type_reduce()`, which is 0
        for numbers: the largest of negative numbers is 0 then, as on a GPU.
    name : str
    reduce_type : str, optional
        C++ type of `a` and `b`; by default that of the output.
    preamble : str

    Examples
    --------
    >>> total = ReductionKernel("T x", "T y", "x", "a + b", "y = a", "0", "total")
    >>> total(np.arange(6, dtype=np.float32).reshape(2, 3), axis=1)
    array([ 3., 12.], dtype=float32)
    """

    def __init__(self, in_params, out_params, map_expr, reduce_expr, post_map_expr, identity, name="reduce_kernel",
                 reduce_type=None, reduce_dims=True, preamble="", options=()):  # fmt: skip
        typed.check_name(name)
        self.ins, self.outs = typed.declarations(in_params), typed.declarations(out_params)
        if len(self.outs) != 1:
            raise ValueError(f"{name}: a reduction has one output; {len(self.outs)} are declared")
        self.map, self.reduce, self.post = map_expr, reduce_expr, post_map_expr
        self.identity = "" if identity is None else str(identity)
        self.name, self.reduce_type, self.preamble = name, reduce_type, preamble
        typed.check_code(name, map_expr, reduce_expr, post_map_expr, preamble)

    def __call__(self, *args, out=None, axis=None, keepdims=False, stream=None):
        """Reduce arrays, which are broadcast.

        Parameters
        ----------
        *args : ndarray or number
            For the inputs, or for the inputs and the output.
        out : ndarray, optional
        axis : int or tuple of int, optional
            By default all.
        keepdims : bool

        Returns
        -------
        ndarray

        Raises
        ------
        TypeError, ValueError
            For arguments of the wrong number, type or shape.
        """
        inputs = len(self.ins)
        if len(args) not in (inputs, inputs + 1):
            raise TypeError(
                f"Wrong number of arguments for {self.name!r}. It must be either {inputs} or {inputs + 1} "
                f"(with outputs), but given {len(args)}."
            )
        if len(args) > inputs:
            if out is not None:
                raise ValueError(f"{self.name}: cannot specify the output twice")
            out = args[inputs]
        results = [] if out is None else [out]
        bound = typed.bind(self.name, self.ins, args[:inputs], self.outs, results)
        shape, kept, gone = self._axes(args[:inputs], axis)
        result = self._run(bound, args[:inputs], shape, kept, gone)
        loaded = [(p.name, value) for p, value in zip(self.ins, args) if isinstance(value, np.ndarray)]
        if keepdims:
            result = result.reshape(tuple(1 if axis in gone else size for axis, size in enumerate(shape)))
        if out is not None:
            if out.shape != result.shape:
                raise ValueError(f"{self.name}: the output has shape {out.shape}; expected {result.shape}")
            out[...] = result
            result = out
        typed.note(self.name, loaded, [(self.outs[0].name, result)])
        return result

    def _axes(self, values, axis):
        shapes = [value.shape for value, p in zip(values, self.ins) if isinstance(value, np.ndarray) and not p.raw]
        if not shapes:
            raise ValueError("Loop size is undecided.")
        shape = np.broadcast_shapes(*shapes)
        if axis is None:
            gone = tuple(range(len(shape)))
        else:
            gone = np.lib.array_utils.normalize_axis_tuple(axis, len(shape))
        if any(p.raw for p in self.ins) and sorted(gone) != list(range(len(gone))):
            text = f"{self.name}: Illegal conditions: CuPy reduces over the first axes alone where a parameter is raw"
            raise NotImplementedError(f"{text}; got axis={axis}")
        return shape, tuple(a for a in range(len(shape)) if a not in gone), gone

    def _run(self, bound, values, shape, kept, gone):
        inner = int(np.prod([shape[a] for a in gone], dtype=int))
        if inner == 0 and not self.identity:
            raise ValueError(f"zero-size array to reduction operation {self.name} which has no identity")
        result = on_device(typed.unwritten([shape[a] for a in kept], typed.dtype_of(self.outs[0], bound, self.name)))
        arrays = []
        for parameter, value in zip(self.ins, values):
            array = np.asarray(value, typed.dtype_of(parameter, bound, self.name))
            if not parameter.raw:
                array = np.broadcast_to(array, shape).transpose(*kept, *gone)
            arrays.append(np.ascontiguousarray(array))
        numbers = [result.size, inner, settings.current().schedule == 1]
        typed.run(self._source(bound), self.name, numbers, [*arrays, result], [*self.ins, *self.outs])
        return result

    def _source(self, bound):
        raws = elements = ""
        for number, parameter in enumerate(self.ins):
            dtype = typed.dtype_of(parameter, bound, self.name)
            kind = C_TYPES[dtype]
            if parameter.raw:
                raws += typed.raw_declaration(number, parameter, dtype, False)
            else:
                elements += f"const {kind}& {parameter.name} = (({kind}*)_data[{number}])[_at]; "
        out = self.outs[0]
        out_type = C_TYPES[typed.dtype_of(out, bound, self.name)]
        kind = self.reduce_type or out_type
        return typed.finish(
            f'{typed.typedefs(bound)}\n#line 1 "preamble"\n{self.preamble}\n'
            f'#line 1 "reduce_type"\ntypedef {kind} _type_reduce;\n'
            'inline _type_reduce _both(const _type_reduce& a, const _type_reduce& b) {\n#line 1 "reduce_expr"\n'
            f"return ({self.reduce}); }}\n"
            f"{typed.LOOP.format('long long _outs, long long _inner, long long _reverse')} {{\n"
            f"  const Index _out_ind{{(ptrdiff_t)_outs}}, _in_ind{{(ptrdiff_t)(_outs * _inner)}}; {raws}\n"
            f"  for (long long _k = 0; _k < _outs; ++_k) {{\n"
            f"    static _type_reduce _part[{WIDTH}];\n"
            f'    for (int _t = 0; _t < {WIDTH}; ++_t) {{\n#line 1 "identity"\n'
            f"_part[_t] = _type_reduce({self.identity}); }}\n"
            "    for (long long _j = 0; _j < _inner; ++_j) {\n      if (_j % 65536 == 0) simt_progress();\n"
            "      const long long _place = _reverse ? _inner - 1 - _j : _j;\n"
            f"      const ptrdiff_t _at = _k * _inner + _place; const int _t = _place % {WIDTH}; {elements}\n"
            f'#line 1 "map_expr"\n      const _type_reduce _mapped = static_cast<_type_reduce>({self.map});\n'
            "      _part[_t] = _both(_part[_t], _mapped);\n    }\n"
            f"    for (int _w = {WIDTH // 2}; _w > 0; _w >>= 1)\n"
            "      for (int _t = 0; _t < _w; ++_t) _part[_t] = _both(_part[_t], _part[_t + _w]);\n"
            f"    {out_type}& {out.name} = (({out_type}*)_data[{len(self.ins)}])[_k];\n"
            "    const _type_reduce a = _part[0];\n"
            f'#line 1 "post_map_expr"\n    {self.post};\n    (void){out.name};\n  }}\n}}\n',
            "_outs",
            "_inner",
            "_reverse",
        )
