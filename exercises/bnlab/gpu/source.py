"""From CUDA C++ to what a C++ compiler takes: few textual changes, none of which moves a line.

Everything else is in the header cuda/simt.h: the kernel's source is compiled as it is.
"""

import math
import re

from bnlab.gpu.compiler import CompileException

HEADERS = {  # what a kernel may include, and what it stands for here
    "cuda_fp16.h": "cuda_fp16.h",
    "cuda_bf16.h": "cuda_bf16.h",
    "cooperative_groups.h": "cooperative_groups.h",
    "cooperative_groups/reduce.h": "cooperative_groups.h",
    "math_constants.h": "math_constants.h",
    **dict.fromkeys(("float.h", "cfloat"), "float.h"),
    **dict.fromkeys(("limits.h", "climits"), "limits.h"),
    **dict.fromkeys(("limits", "cuda/std/limits"), "limits"),
    **dict.fromkeys(("cuda_runtime.h", "cuda.h", "math.h", "cmath", "stdio.h", "cstdio", "stdint.h", "cstdint"), ""),
    **dict.fromkeys(("assert.h", "cassert", "cstddef", "stddef.h", "type_traits", "utility"), ""),
    **dict.fromkeys(("cuda/std/cstdint", "cuda/std/type_traits", "cuda/std/utility", "cuda/std/cmath"), ""),
    **dict.fromkeys(("vector_types.h", "device_functions.h", "device_launch_parameters.h"), ""),
}
OURS = "cooperative_groups.h, cooperative_groups/reduce.h, cuda_bf16.h, cuda_fp16.h, math_constants.h"
ASM = ("asm", "__asm", "__asm__")
HIDING = ("no_sanitize", "__no_sanitize__", "no_sanitize_thread", "__no_sanitize_thread__")
PTX = "the simulator has no inline PTX: write it in C++, or leave it to the GPU by #ifdef __CUDA_ARCH__"
FOREIGN = {  # what would be no PTX but this machine's, what would hide an access: name -> what the compiler says of it
    **dict.fromkeys(ASM, f'_Pragma("GCC error \\"{PTX}\\"") the_simulator_has_no_inline_PTX'),
    **dict.fromkeys((*HIDING, "disable_sanitizer_instrumentation"), "the_simulator_looks_at_every_access"),
}
HOST = ("abort", "exit", "fork", "getenv", "popen", "quick_exit", "system")  # C's functions that end or leave Python
# asm that is empty speaks to a compiler alone
EMPTY = re.compile(rf'\b(?:{"|".join(ASM)})\b\s*(?:volatile|__volatile__)?\s*\(\s*""[^;]*;')
AROUND = re.compile(rf"#\s*undef\s+(?:{'|'.join(FOREIGN)})\b|#\s*include\s+\w+|\b__builtin_ia32\w*")
KERNEL = re.compile(
    r"(?:__global__\s+(?:\w+\s*\([^()]*\)\s*)?(?:inline\s+|static\s+)*void|void\s+__global__)\s+"
    r"(?:__maxnreg__\s*\([^()]*\)\s*)?(?:__launch_bounds__\s*\(([^()]*)\)\s*)?(\w+)\s*\("
)
ALIGNED = r"(?:__align__|alignas)\s*\((?:[^()]|\([^()]*\))*\)"
DYNAMIC = re.compile(  # the words before the type, in any order; the type; the name; what stands in brackets
    rf"\b((?:(?:extern|__shared__|volatile|{ALIGNED})\s+)*__shared__(?:\s+(?:extern|volatile|{ALIGNED}))*)\s+"
    rf"([\w:<>\s]+?)\s*(?:{ALIGNED}\s*)?\b(\w+)\s*\[[^][;]*\]\s*((?:\[[^][;]*\]\s*)*);"
)
LONG = 1 << 20  # characters; macros may double a text each time
# a definition: name, the bracket of its parameters if it has any, what it stands for
MACRO = re.compile(r"(?m)^[ \t]*#[ \t]*define[ \t]+(\w+)(\()?((?:[^\n\\]|\\\n|\\.)*)")
# the words that say in which memory a variable lies
SPACES = re.compile(r"\b(?:__shared__|__device__|__constant__)\b")
DIRECTIVE = re.compile(r"(?m)^[ \t]*#(?:[^\n\\]|\\\n|\\)*")
BOUNDS = re.compile(r"__launch_bounds__\s*\(([^()]*)\)")


class Source:
    """A module's source, and what can be read off it.

    Attributes
    ----------
    code : str
        As it was given.
    kernels : list of str
        Names of kernels in it.
    dynamic : list of str
        Names of its extern __shared__ arrays, each once.
    commas : list of (int, str, str)
        Line, text and what it means of each index with a comma, which NumPy takes and C++ does not.
    assignments : list of (int, str)
        Line and text of each condition that stores a value, where a comparison was meant.
    """

    def __init__(self, code):
        self.code = code.replace("\r\n", "\n")
        self.spelled_out = spelled_out(self.code)
        self.bare = without_directives(without_comments(self.spelled_out))
        self.kernels = list(dict.fromkeys(match[2] for match in KERNEL.finditer(self.bare)))
        self.dynamic = list(dict.fromkeys(match[3] for match in dynamic_arrays(self.bare)))
        self.commas = list(commas(self.bare))
        self.assignments = list(assignments(self.bare))
        self.headers = []

    def line(self, number):
        """The text of a line, counted from 1."""
        lines = self.code.split("\n")
        return lines[number - 1].strip() if 0 < number <= len(lines) else ""

    def with_line(self, text):
        """A compiler's errors with the line of the first one."""
        first, _, rest = text.partition("\n")
        told = re.match(r"kernel\.cu:(\d+)", first)
        line = told and self.line(int(told[1]))
        return "\n".join(filter(None, [first, line and f"  {told[1]} | {line}", rest]))

    def c_names(self):
        """Kernels that CuPy would find by their name: those declared extern "C"."""
        names = []
        for match in KERNEL.finditer(self.bare):
            before = self.bare[: match.start()].rstrip()
            in_block = any(
                depth_at(self.bare, block.end(), match.start()) >= 0
                for block in re.finditer(r'extern\s+"C"\s*\{', self.bare)
                if block.end() <= match.start()
            )
            if before.endswith('extern "C"') or in_block or re.search(r'extern\s+"C"[^;{}]*$', before):
                names.append(match[2])
        return names

    def is_plain_function(self, name):
        """Whether the text has a function of this name without __global__, also none that a macro could bring."""
        macros = set(re.findall(r"(?m)^[ \t]*#[ \t]*define[ \t]+(\w+)", without_comments(self.code)))
        declared = [match[1] for match in re.finditer(rf"([^;{{}}]*)\bvoid\s+{re.escape(name)}\s*\(", self.bare)]
        return bool(declared) and not any(macros & set(re.findall(r"\w+", before)) for before in declared)

    def parameters(self, kernel):
        """Names of a kernel's parameters, or an empty list where the text does not tell."""
        for match in KERNEL.finditer(self.bare):
            if match[2] == kernel:
                inner, _ = balanced(self.bare, match.end() - 1)
                parts = [part for part in split_list(inner) if part.strip()]
                return [(re.findall(r"\w+", re.sub(r"\[[^]]*\]", "", part)) or ["?"])[-1] for part in parts]
        return []

    def parameter_lines(self, kernel):
        """The line on which a kernel's parameters begin, and that of each of them; [0] where the text does not tell."""
        for match in KERNEL.finditer(self.bare):
            if match[2] == kernel:
                inner, _ = balanced(self.bare, match.end() - 1)
                lines, place = [self._line_at(match.end() - 1)], match.end()
                for part in split_list(inner):
                    if part.strip():
                        lines.append(self._line_at(place + len(part.rstrip()) - 1))
                    place += len(part) + 1
                return lines
        return [0]

    def shared_line(self, names):
        """The line that declares the first of these __shared__ variables that the text has; 0 where it has none."""
        for name in names:
            found = re.search(rf"\b__shared__\b[^;]*?\b{re.escape(name)}\b", self.bare)
            if found:
                return self._line_at(found.end() - 1)
        return 0

    def _line_at(self, place):
        return self.bare.count("\n", 0, place) + 1

    def at(self, number):
        """`, line 3` for a message and the line itself below it; nothing for 0."""
        return (f", line {number}", f"\n  {number} | {self.line(number)}") if number else ("", "")

    def bound(self, kernel, options=()):
        """The largest block that __launch_bounds__ promises, or None where that is no number, macro or product of them.

        Parameters
        ----------
        kernel : str
        options : sequence of str
            Of the compiler: "-DBLOCK=256" is a macro too.
        """
        defined = re.findall(r"(?m)^[ \t]*#[ \t]*define[ \t]+(\w+)[ \t]+(.*?)[ \t]*$", without_comments(self.code))
        macros = dict(defined)
        for name in [name for name in macros if [name for name, _ in defined].count(name) > 1]:
            del macros[name]  # which of them counts, only a compiler knows
        given = (re.fullmatch(r"-D\s*(\w+)=(\d+)", word) for word in options)
        macros.update(found.groups() for found in given if found)
        for match in KERNEL.finditer(self.bare):
            if match[2] == kernel:
                before = re.search(rf"(?:{BOUNDS.pattern})\s*$", self.bare[: match.start()])
                text = match[1] or (BOUNDS.search(match[0]) or before or [None, ""])[1]
                factors = [macros.get(factor, factor) for factor in re.split(r"\s*\*\s*", text.split(",")[0].strip())]
                return math.prod(map(int, factors)) if all(factor.isdigit() for factor in factors) else None
        return None

    def translated(self, exports):
        """The text to compile.

        Parameters
        ----------
        exports : list of str
            Kernels, or instances of template kernels, to make callable; the k-th is `simt_run_k`.

        Raises
        ------
        CompileException
            For what the simulator does not have.
        """
        self._look_around(self.code)
        refuse_hidden_spaces(self.spelled_out)
        code = EMPTY.sub(lambda found: ";" + "\n" * found[0].count("\n"), self.spelled_out)
        code = self._includes(code)
        code = self._dynamic(code)
        code = self._shared(code)
        code = self._globals(code)
        head = '#include "simt.h"\n' + "".join(f'#include "{name}"\n' for name in dict.fromkeys(self.headers) if name)
        tail = "".join(f"SIMT_EXPORT({number}, {name})\n" for number, name in enumerate(exports))
        foreign = "".join(f"#define {name} {words}\n" for name, words in FOREIGN.items())
        told = '_Pragma("GCC error \\"a GPU has no {0}\\"") a_GPU_has_no_{0}'
        foreign += "".join(f"#define {name}(...) {told.format(name)}\n" for name in HOST if not self._has_own(name))
        ours = "".join(f"#undef {name}\n" for name in (*FOREIGN, *HOST))
        # in a namespace without a name, so that __shared__ variables of inline functions and templates are the module's
        code = f'namespace {{\n#line 1 "kernel.cu"\n{code}\n}}\n#line 1 "exports"\n'
        return f'{head}#include "launching.h"\n{foreign}{code}{ours}{tail}'

    def _has_own(self, name):
        """Whether the source declares a function of this name, or asks a class or a namespace for it."""
        return bool(
            re.search(rf"\b(?!(?:return|else|do)\b)\w+[\s*&]+{name}\s*\(|(?:\.|->|::)\s*{name}\s*\(", self.bare)
        )

    @staticmethod
    def _look_around(code):
        bare = without_comments(code.replace("\\\n", ""))
        if found := AROUND.search(bare):
            raise CompileException(f"kernel.cu: error: the simulator does not accept {found[0]!r}")
        if found := re.search("<<<", without_comments(code)):
            line = code[: found.start()].count("\n") + 1
            raise CompileException(f"kernel.cu:{line}: error: no kernel launches another one here: let Python do it")

    def _includes(self, code):
        self.headers, bare = [], without_comments(code)

        def replaced(match):
            name = match[1]
            if "#" not in bare[match.start() : match.end()]:  # in a comment
                return match[0]
            if name not in HEADERS:
                line = code[: match.start()].count("\n") + 1
                text = f"the simulator has no <{name}>; it has {OURS} and the C++ basics"
                raise CompileException(f"kernel.cu:{line}: error: {text}")
            self.headers.append(HEADERS[name])
            return ""

        return re.sub(r'^[ \t]*#[ \t]*include[ \t]*[<"]([^>"]+)[>"].*$', replaced, code, flags=re.M)

    @staticmethod
    def _dynamic(code):
        """extern __shared__ T name[];  ->  a pointer to the block's dynamic shared memory."""
        bare = without_directives(without_comments(code))
        for match in reversed(dynamic_arrays(bare)):
            kind, name, steps = match[2].strip(), match[3], match[4].strip()
            kind = f"volatile {kind}" if "volatile" in match[1] else kind
            inside = depth_at(bare, 0, match.start()) > 0
            new = f"static simt::Dynamic<{kind}{steps}> {name};"
            if inside and steps:
                new = f"{kind} (*{name}){steps} = ({kind} (*){steps})simt_dynamic_shared();"
            elif inside:
                new = f"{kind}* {name} = ({kind}*)simt_dynamic_shared();"
            code = code[: match.start()] + new + "\n" * match[0].count("\n") + code[match.end() :]
        return code

    @staticmethod
    def _shared(code):
        """__shared__ T a[n], b;  gets a guard and an entry in the table for each variable, on the same line."""
        bare = without_directives(without_comments(code))
        for match in reversed(list(re.finditer(r"(?:\b(?:static|volatile)\s+)*\b__shared__\b", bare))):
            end = statement_end(bare, match.end())
            if end is None:
                continue
            text = bare[match.end() : end]
            if "volatile" in match[0]:
                text = f" volatile{text}"
            if "=" in re.sub(r"[<>=!]=|\[[^]]*\]", "", without_bodies(text)):
                line = bare[: match.start()].count("\n") + 1
                raise CompileException(
                    f"kernel.cu:{line}: error: a __shared__ variable cannot have an initial value; "
                    "assign it in one thread and put __syncthreads() after that"
                )
            one_by_one = re.sub(r"\balignas\b", "__align__", text)
            found = shared_variables(one_by_one)
            if depth_at(bare, 0, match.start()) > 0:
                found += [f"SIMT_INSIDE({name})" for name in filter(None, map(declared_name, split_list(text)))]
            code = code[: match.start()] + " ".join(found) + code[end + 1 :]
        return code

    @staticmethod
    def _globals(code):
        """__device__ or __constant__ T a[n], b = 0;  gets an entry in the table for each variable, on the same line."""
        bare, done = without_directives(without_comments(code)), set()
        for match in reversed(list(re.finditer(r"\b(?:__device__|__constant__)\b", bare))):
            end = statement_end(bare, match.end())
            if end in done:  # both words
                continue
            done.add(end)
            text = re.sub(r"\b(?:__align__|alignas)\s*\([^()]*\)", "", bare[match.end() : end] if end else "(")
            function_or_type = re.match(r"[^=;\[]*[({]", text)
            if function_or_type or depth_at(bare, 0, match.start()) > 0:
                continue
            names = filter(None, map(declared_name, split_list(text)))
            code = code[: end + 1] + "".join(f" SIMT_GLOBAL({name})" for name in names) + code[end + 1 :]
        return code


def spelled_out(code):
    """The code with what a macro stands for in its place, where that says in which memory a variable lies.

    Only macros without arguments that mean one thing: `#define SH __shared__`. They stay defined, as nothing.
    """
    while len(code) < LONG and (found := next(_words_of_memory(without_comments(code)), None)):
        bare, (name, body, meanings) = without_comments(code), found
        first = meanings[0].start()
        inside = [range(match.start(3), match.end(3)) for match in MACRO.finditer(bare)]  # what macros stand for
        lines = [range(*match.span()) for match in DIRECTIVE.finditer(bare)]
        for match in reversed(list(re.finditer(rf"\b(?<!##){name}\b(?!\s*##)", bare))):
            place = match.start()
            if place > first and (any(place in one for one in inside) or not any(place in one for one in lines)):
                code = code[:place] + body + code[match.end() :]
            elif any(place == one.start(1) for one in meanings):
                meaning = next(one for one in meanings if place == one.start(1))
                kept = (" " if bare[k] not in " \n" else code[k] for k in range(meaning.start(3), meaning.end(3)))
                code = code[: meaning.start(3)] + "".join(kept) + code[meaning.end(3) :]
    return code


def _words_of_memory(bare):
    """(name, what it stands for, matches of its definitions) of macros that say in which memory a variable lies."""
    meanings = {}
    for match in MACRO.finditer(bare):
        meanings.setdefault(match[1], []).append(match)
    for name, matches in meanings.items():
        bodies = {" ".join(match[3].replace("\\\n", " ").split()) for match in matches}
        undone = re.search(rf"#[ \t]*undef[ \t]+{name}\b", bare)
        if len(bodies) > 1 or undone or any(match[2] for match in matches):
            continue
        body = bodies.pop()
        if SPACES.search(body) and name not in re.findall(r"\w+", body):
            yield name, body, matches


def refuse_hidden_spaces(code):
    """A CompileException where a macro that is used says __shared__: its variables would pass for a thread's."""
    bare = without_comments(code)
    for match in MACRO.finditer(bare):
        if "__shared__" in match[3] and re.search(rf"\b{match[1]}\b", without_directives(bare)):
            line = bare.count("\n", 0, match.start()) + 1
            text = f"the simulator does not see what {match[1]} declares: write __shared__ out at each declaration"
            raise CompileException(f"kernel.cu:{line}: error: {text}")


def without_comments(code):
    """The code with comments and the insides of strings blanked, every character in its place."""
    pattern = re.compile(r'//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])+\'', re.S)

    def blanked(match):
        text = match[0]
        if text in ('"C"',):
            return text
        return re.sub(r"[^\n]", " ", text) if text[0] == "/" else text[0] + " " * (len(text) - 2) + text[-1]

    return pattern.sub(blanked, code)


def without_directives(bare):
    """The same without lines of the preprocessor: what stands in a macro is declared where the macro is used."""
    return DIRECTIVE.sub(lambda match: re.sub(r"[^\n]", " ", match[0]), bare)


def depth_at(bare, start, end):
    """How many braces are open at `end`, counted from `start`; those of extern "C" and namespaces do not count."""
    depth, skipped = 0, []
    for match in re.finditer(r"[{}]", bare[start:end]):
        if match[0] == "{":
            before = bare[start : start + match.start()].rstrip()
            transparent = before.endswith('extern "C"') or re.search(r"namespace(\s+\w+)?$", before) is not None
            skipped.append(transparent)
            depth += not transparent
        elif skipped:
            depth -= not skipped.pop()
        else:
            return -1
    return depth


def balanced(text, opening):
    """(what is inside the bracket that opens at this place, the place behind its end)."""
    pairs, depth = {"(": ")", "{": "}", "[": "]"}, 0
    for place in range(opening, len(text)):
        if text[place] in pairs:
            depth += 1
        elif text[place] in pairs.values():
            depth -= 1
            if depth == 0:
                return text[opening + 1 : place], place + 1
    return text[opening + 1 :], len(text)


def dynamic_arrays(bare):
    """The matches of DYNAMIC that are extern: arrays in dynamic shared memory, whose size the launch decides."""
    return [match for match in DYNAMIC.finditer(bare) if re.search(r"\bextern\b", match[1])]


def commas(bare):
    """(line, text, what it means) of each index with a comma: x[n, c] is x[c] in C++."""
    for match in re.finditer(r"(?!(?:return|auto)\b)\b([A-Za-z_]\w*)\s*\[", bare):
        inside, _ = balanced(bare, match.end() - 1)
        parts = [" ".join(part.split()) for part in split_list(inside)]
        if len(parts) > 1:
            line = bare.count("\n", 0, match.start()) + 1
            yield line, f"{match[1]}[{', '.join(parts)}]", f"{match[1]}[{parts[-1]}]"


def assignments(bare):
    """(line, text) of each condition that stores: if (t = 0) is never true, and makes t 0."""
    for match in re.finditer(r"\b(?:if|while)\s*\(", bare):
        inside, _ = balanced(bare, match.end() - 1)
        meant = re.match(r"\s*(?:\(|(?:[\w:]+[\s*&]+)+\w+\s*=)", inside)  # a declaration, or a second bracket
        stores = re.search(r"(?<![=!<>+\-*/%&|^\[])=(?!=)", inside)
        if stores and not meant and not re.search(r"[=!<>]=|<|>", inside):
            yield bare.count("\n", 0, match.start()) + 1, f"({' '.join(inside.split())})"


def statement_end(bare, start):
    """The place of the semicolon that ends a statement, or None."""
    depth = 0
    for place in range(start, len(bare)):
        if bare[place] in "({[":
            depth += 1
        elif bare[place] in ")}]":
            depth -= 1
            if depth < 0:
                return None
        elif bare[place] == ";" and depth == 0:
            return place
    return None


def split_list(text):
    """Split at commas that no bracket encloses."""
    parts, depth, last = [], 0, 0
    for place, letter in enumerate(text):
        depth += letter in "({[<"
        depth -= letter in ")}]>"
        if letter == "," and depth == 0:
            parts.append(text[last:place])
            last = place + 1
    return [*parts, text[last:]]


def shared_variables(text):
    """`float a[32], b` as a declaration of each variable alone, with its guard right behind it."""
    parts = split_list(text)
    first = declared_name(parts[0])
    kind = re.match(rf"(.*?)\b{first}\b(?!.*\b{first}\b)", parts[0], flags=re.S) if first else None
    if kind is None or len(parts) > 1 and ("{" in text or "(" in kind[1].partition("*")[2]):
        names = filter(None, map(declared_name, parts))
        return [f"__shared__{text};", *(f"SIMT_NAMED({name})" for name in names)]
    of_all = re.sub(r"[\s*]+$", " ", kind[1].replace("\n", " "))  # a star belongs to its variable alone
    declarations = [parts[0], *(of_all + part for part in parts[1:])]
    return [f"__shared__{one}; SIMT_NAMED({name})" for one in declarations if (name := declared_name(one))]


def declared_name(part):
    """The name in one declarator: `float s[32]` -> s."""
    names = re.findall(r"\w+", re.sub(r"\[.*", "", without_bodies(part).split("=")[0], flags=re.S))
    return names[-1] if names else ""


def without_bodies(text):
    """The text without what stands in braces: `union { float f[32]; } u` -> `union  u`."""
    while (shorter := re.sub(r"\{[^{}]*\}", "", text)) != text:
        text = shorter
    return text
