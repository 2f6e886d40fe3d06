"""CuPy's ElementwiseKernel on NumPy arrays: one compiled loop over the broadcast elements."""

import numpy as np

from bnlab.gpu import settings, typed
from bnlab.gpu.device_array import on_device
from bnlab.gpu.typed import C_TYPES


class ElementwiseKernel:
    """A function of elements, as `cupy.ElementwiseKernel`.

    Parameters
    ----------
    in_params, out_params : str
        Such as "T x, float32 eps" and "T y"; a single letter stands for the type of the argument, `raw` for a
        parameter that the operation indexes itself. `i` is the index of the element, `_ind.size()` their number.
    operation : str
        C++ that assigns the outputs.
    name : str
    preamble : str
        C++ in front: functions marked __device__.
    loop_prep, after_loop : str
        C++ before and after the loop of a thread.

    Examples
    --------
    >>> square = ElementwiseKernel("T x, T k", "T y", "y = (x - k) * (x - k)", "square")
    >>> square(np.arange(3, dtype=np.float32), np.float32(1))
    array([1., 0., 1.], dtype=float32)
    """

    def __init__(self, in_params, out_params, operation, name="kernel", reduce_dims=True, preamble="", no_return=False,
                 return_tuple=False, loop_prep="", after_loop="", options=(), **_):  # fmt: skip
        typed.check_name(name)
        self.ins, self.outs = typed.declarations(in_params), typed.declarations(out_params)
        if "i" in [parameter.name for parameter in (*self.ins, *self.outs)]:
            raise ValueError(f"{name}: Can not use 'i' as a parameter name: it is the index of the element")
        self.operation, self.name, self.preamble = operation, name, preamble
        self.no_return, self.return_tuple = no_return, return_tuple
        self.loop_prep, self.after_loop = loop_prep, after_loop
        typed.check_code(name, operation, preamble, loop_prep, after_loop)

    def __call__(self, *args, size=None, stream=None, block_size=None):
        """Apply to arrays and numbers, which are broadcast.

        Parameters
        ----------
        *args : ndarray or number
            For the inputs, or for inputs and outputs.
        size : int, optional
            Number of elements, where every parameter is raw.

        Returns
        -------
        ndarray, or tuple of them

        Raises
        ------
        TypeError
            For a wrong number or type of arguments.
        KernelError
            For an index outside of a raw parameter.
        """
        inputs, outputs = len(self.ins), len(self.outs)
        if len(args) not in (inputs, inputs + outputs):
            raise TypeError(
                f"Wrong number of arguments for {self.name!r}. It must be either {inputs} or {inputs + outputs} "
                f"(with outputs), but given {len(args)}."
            )
        bound = typed.bind(self.name, self.ins, args[:inputs], self.outs, args[inputs:])
        shape = self._shape(args, size)
        results = list(args[inputs:])
        if not results and size is None and any(parameter.raw for parameter in self.outs):
            text = "Output array size is Undecided: pass an array for the raw output, or size=..."
            raise ValueError(f"{self.name}: {text}")
        for result, parameter in zip(results, self.outs):
            if not parameter.raw and result.shape != shape:
                text = f"{inputs} inputs are declared, so what comes after them is the output {parameter.name}"
                raise ValueError(f"{self.name}: {text}; it has shape {result.shape}, expected {shape}")
        if not results:
            results = [on_device(typed.unwritten(shape, typed.dtype_of(p, bound, self.name))) for p in self.outs]
        source, arrays = self._source(bound), self._arrays(bound, args[:inputs], results, shape)
        count = int(np.prod(shape, dtype=int))
        typed.run(source, self.name, [count, settings.current().schedule == 1], arrays, [*self.ins, *self.outs])
        for result, array in zip(results, arrays[inputs:]):
            if array is not result:
                result[...] = array
        loaded = [(p.name, value) for p, value in zip(self.ins, args) if isinstance(value, np.ndarray)]
        typed.note(self.name, loaded, [(p.name, result) for p, result in zip(self.outs, results)])
        if self.no_return:
            return None
        return tuple(results) if self.return_tuple or outputs != 1 else results[0]

    def _shape(self, args, size):
        if size is not None:
            if any(isinstance(a, np.ndarray) and not p.raw for a, p in zip(args, [*self.ins, *self.outs])):
                raise ValueError("Specified 'size' can be used only if all of the ndarray are 'raw'.")
            return (int(size),)
        shapes = [value.shape for value, p in zip(args, self.ins) if isinstance(value, np.ndarray) and not p.raw]
        shapes += [value.shape for value, p in zip(args[len(self.ins) :], self.outs) if not p.raw]
        if not shapes:
            raise ValueError("Loop size is undecided.")
        return np.broadcast_shapes(*shapes)

    def _arrays(self, bound, values, results, shape):
        arrays = []
        for parameter, value in zip(self.ins, values):
            array = np.asarray(value, typed.dtype_of(parameter, bound, self.name))
            arrays.append(np.ascontiguousarray(array if parameter.raw else np.broadcast_to(array, shape)))
        return arrays + [result if result.flags.c_contiguous else np.ascontiguousarray(result) for result in results]

    def _source(self, bound):
        raws = elements = ""
        for number, parameter in enumerate([*self.ins, *self.outs]):
            dtype = typed.dtype_of(parameter, bound, self.name)
            kind = C_TYPES[dtype]
            if parameter.raw:
                raws += typed.raw_declaration(number, parameter, dtype, number >= len(self.ins))
            else:
                const = "const " if number < len(self.ins) else ""
                elements += f"{const}{kind}& {parameter.name} = (({kind}*)_data[{number}])[i]; "
        body = (
            f'{typed.typedefs(bound)}\n#line 1 "preamble"\n{self.preamble}\n#line 1 "parameters"\n'
            f"{typed.LOOP.format('long long _n, long long _reverse')} {{\n"
            f'  const Index _ind{{(ptrdiff_t)_n}}; {raws}\n#line 1 "loop_prep"\n{self.loop_prep};\n'
            '#line 2 "parameters"\n'
            "  for (ptrdiff_t _from = 0; _from < _n; _from += 65536, simt_progress())\n"
            "  for (ptrdiff_t _j = _from; _j < _n && _j < _from + 65536; ++_j) {\n"
            f"    const ptrdiff_t i = _reverse ? _n - 1 - _j : _j; {elements}\n"
            "    [&]() -> void { do {\n"  # as each element has a thread of its own: break, continue and return leave it
            f'#line 1 "kernel.cu"\n{self.operation};\n    }} while (0); }}();\n  }}\n'
            f'#line 1 "after_loop"\n  {self.after_loop};\n}}\n'
        )
        return typed.finish(body, "_n", "_reverse")
