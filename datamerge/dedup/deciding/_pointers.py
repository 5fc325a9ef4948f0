"""Arrays told by their addresses, for compiled loops that go from one array to another.

Compiled code counts who holds an array each time it takes one out of a tuple, which is slower
than a step of such a loop. Whoever passes addresses holds the arrays meanwhile.
"""

from __future__ import annotations

from typing import Any

from numba import types
from numba.extending import intrinsic


def _array_of(kind: Any) -> Any:
    @intrinsic
    def array_at(context: Any, address: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            return builder.inttoptr(args[0], context.get_value_type(signature.return_type))

        return types.CPointer(kind)(types.int64), generate

    return array_at


int64s, int32s, float64s = (_array_of(kind) for kind in (types.int64, types.int32, types.float64))
