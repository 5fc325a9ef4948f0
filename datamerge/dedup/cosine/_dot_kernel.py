"""The dot product of two rows of float32 in float64, the same to the last bit everywhere.

Compilers may not reorder sums of floats unless allowed to, and then each processor's order is
another. Here the order is written down: 16 sums side by side, in two registers of eight, emitted
as LLVM's vectors, which every processor has instructions for.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

AT_ONCE = 16

_I64, _I32 = ir.IntType(64), ir.IntType(32)
_HALF = AT_ONCE // 2
_FLOATS = ir.VectorType(ir.FloatType(), _HALF)
_DOUBLES = ir.VectorType(ir.DoubleType(), _HALF)


@intrinsic
def dot(typingctx, a, b, count):
    """The sum of products of ``count`` floats, a positive multiple of 16, at two addresses."""

    def generate(context, builder, signature, arguments):
        return builder.call(_function(builder.module), arguments)

    return types.float64(types.int64, types.int64, types.int64), generate


def _function(module: Any) -> Any:
    name = "datamerge.dedup.dot"
    if name in module.globals:
        return module.globals[name]
    function = ir.Function(module, ir.FunctionType(ir.DoubleType(), [_I64] * 3), name)
    function.linkage = "internal"
    a, b, count = function.args
    entry, loop, end = (function.append_basic_block(part) for part in ("entry", "loop", "end"))
    build = ir.IRBuilder(entry)
    build.branch(loop)
    build.position_at_end(loop)
    at = build.phi(_I64)
    sums = [build.phi(_DOUBLES) for _ in range(2)]
    offset = build.mul(at, ir.Constant(_I64, 4))
    after = []
    for half, held in enumerate(sums):
        x, y = (_loaded(build, build.add(row, offset), 4 * _HALF * half) for row in (a, b))
        after.append(build.fadd(held, build.fmul(x, y)))
    following = build.add(at, ir.Constant(_I64, AT_ONCE))
    at.add_incoming(ir.Constant(_I64, 0), entry)
    at.add_incoming(following, loop)
    for held, new in zip(sums, after, strict=True):
        held.add_incoming(ir.Constant(_DOUBLES, [0.0] * _HALF), entry)
        held.add_incoming(new, loop)
    build.cbranch(build.icmp_signed("<", following, count), loop, end)
    build.position_at_end(end)
    total = build.fadd(*after)
    lanes = [build.extract_element(total, ir.Constant(_I32, lane)) for lane in range(_HALF)]
    while len(lanes) > 1:
        half = len(lanes) // 2
        lanes = [build.fadd(x, y) for x, y in zip(lanes[:half], lanes[half:], strict=True)]
    build.ret(lanes[0])
    return function


def _loaded(build: Any, address: Any, offset: int) -> Any:
    place = build.inttoptr(build.add(address, ir.Constant(_I64, offset)), _FLOATS.as_pointer())
    return build.fpext(build.load(place, align=4), _DOUBLES)
