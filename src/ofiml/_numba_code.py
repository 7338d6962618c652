"""The code of a kernel: one LLVM module with all functions that it calls, which is optimised and emitted once.

numba makes each function a library of its own: it optimises the function with all that it calls, emits machine code,
and does the same again for each caller. Here a callee stays as it was lowered, a `Part`, and only the kernel is
optimised and emitted, a `Whole`. That takes a fraction of the time. As nothing else calls the parts, they become
internal: LLVM then drops the arguments that they do not use, and the parts themselves once they are inlined.

The module imports numba, so that it is imported when the first kernel is made.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from numba import types
from numba.core.codegen import JITCodeLibrary
from numba.core.compiler import Compiler, DefaultPassBuilder
from numba.core.errors import TypingError
from numba.core.registry import CPUDispatcher
from numba.core.types.functions import BaseFunction

_SHARED = "linkonce_odr"  # may be in several modules


class _NoEngine:
    """What a part has for an engine: it has no address at which Python's objects could be set."""

    def set_env(self, name: str, env: Any) -> None:
        """Set nothing, as for a kernel from the cache: no callee uses Python's objects."""


class Part(JITCodeLibrary):
    """The code of a callee, without an address."""

    @property
    def codegen(self) -> Any:
        """Return what stands for its engine."""
        return _NoEngine()

    def finalize(self) -> None:
        """End the changes to it."""
        self._finalized = True

    def get_pointer_to_function(self, name: str) -> int:
        """Return 0: it has no machine code."""
        return 0

    def _get_module_for_linking(self) -> Any:
        """Return its code with that of its own callees."""
        if self._shared_module is None:
            for library in dict.fromkeys(self._linking_libraries):
                self._final_module.link_in(library._get_module_for_linking(), preserve=True)
            for function in self._final_module.functions:
                if not function.is_declaration and function.linkage.name == "external":
                    function.linkage = _SHARED
            self._shared_module = self._final_module
        return self._shared_module


class Whole(JITCodeLibrary):
    """The code of a kernel, with that of all its parts. `apart` has how the symbols begin that are not copied into
    their callers.
    """

    apart: frozenset[str] | set[str] = frozenset()

    def _optimize_final_module(self) -> None:
        for function in self._final_module.functions:
            if not function.is_declaration and function.linkage.name == _SHARED:
                function.linkage = "internal"
                if function.name.startswith(tuple(self.apart)):
                    function.add_function_attribute("noinline")
        super()._optimize_final_module()


#: Passes for what kernels do not contain: `with`, closures and comprehensions, loops over tuples of several types,
#: inlined functions, expressions of whole arrays, and exceptions with values. Each takes time where it finds nothing.
_PASSES_WITHOUT_USE = frozenset(
    {
        "with_lifting",
        "inline_closure_likes",
        "make_function_op_code_to_jit_function",
        "literal_unroll",
        "LiteralPropagation",
        "inline_inlinables",
        "rewrite_semantic_constants",
        "Rewrite dynamic raises",
        "nopython_rewrites",
    }
)


class _PartCompiler(Compiler):
    """Compile a callee into a `Part`."""

    _library: type[JITCodeLibrary] = Part

    def __init__(self, typingctx: Any, targetctx: Any, library: Any, args: Any, *others: Any) -> None:
        library = library or self._library(targetctx.codegen(), self._library.__name__)
        super().__init__(typingctx, targetctx, library, args, *others)

    def define_pipelines(self) -> list[Any]:
        """List the passes: those of numba without the ones in `_PASSES_WITHOUT_USE`."""
        manager = DefaultPassBuilder.define_nopython_pipeline(self.state)
        manager.passes = [each for each in manager.passes if each[0].name() not in _PASSES_WITHOUT_USE]
        manager.finalize()
        return [manager]

    def compile_extra(self, func: Any) -> Any:
        """Compile the callee, within the compilation of a kernel."""
        with _resolve_each_call_once(_calls_of_parts):
            return super().compile_extra(func)


class WholeCompiler(_PartCompiler):
    """Compile a kernel into a `Whole`."""

    _library = Whole

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.state.library.enable_object_caching()

    def compile_extra(self, func: Any) -> Any:
        """Compile the kernel, and with it its callees."""
        try:
            with _resolve_each_call_once({}):
                return Compiler.compile_extra(self, func)
        finally:
            _calls_of_parts.clear()


_resolve = BaseFunction.get_call_type
#: The calls that the callees of the kernel that is compiled have resolved. numba compiles what a call stands for with
#: the flags of its caller, and callees count no references, so that the kernel's own calls are apart.
_calls_of_parts: dict[Any, Any] = {}


@contextmanager
def _resolve_each_call_once(found: dict[Any, Any]) -> Iterator[None]:
    """Make numba resolve the same function of the same types once, and keep it in `found`, while it compiles.

    An operator of two numbers has dozens of templates, which numba tries again wherever it stands: a sixth of the time
    that a kernel takes. numba compiles in one thread at a time, and is as it was afterwards.
    """

    def resolve_once(self: Any, context: Any, args: Any, kws: Any) -> Any:
        if kws:
            return _resolve(self, context, args, kws)
        key = self, context, tuple(args)
        if key not in found:
            found[key] = _resolve(self, context, args, kws)
        return found[key]

    before = BaseFunction.get_call_type
    BaseFunction.get_call_type = resolve_once  # type: ignore[method-assign]
    try:
        yield
    finally:
        BaseFunction.get_call_type = before  # type: ignore[method-assign]


class Callee(CPUDispatcher):
    """A plain function that kernels call.

    It gets one signature, where numba would make one for each literal argument, and no wrapper for calls from Python.
    It counts no references, because its arrays belong to the kernel: this halves the run time. It can therefore neither
    make nor return an array; both are errors when it is compiled.
    """

    def __init__(self, function: Any) -> None:
        options = {
            "nopython": True,
            "boundscheck": None,
            "no_cpython_wrapper": True,
            "no_cfunc_wrapper": True,
            "_nrt": False,
        }
        super().__init__(function, targetoptions=options, pipeline_class=_PartCompiler)

    def get_call_template(self, args: Any, kws: Any) -> Any:
        """Return the template of the call whose arguments have these types, literals as their type."""
        plain = {name: types.unliteral(kind) for name, kind in kws.items()}
        return super().get_call_template([types.unliteral(kind) for kind in args], plain)

    def compile(self, sig: Any) -> Any:
        """Compile the function for a signature; raise TypingError if it returns an array."""
        entry = super().compile(sig)
        models = self.targetctx.data_model_manager
        for signature in self.nopython_signatures:
            if models[signature.return_type].contains_nrt_meminfo():
                raise TypingError(f"{self.py_func.__qualname__} returns an array, and counts no references to it.")
        return entry
