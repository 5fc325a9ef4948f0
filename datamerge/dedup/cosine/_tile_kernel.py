"""One tile of integer dot products in the processor's registers, emitted as LLVM's own language.

``tile`` compares 6 rows with 64 others: 24 registers of 16 sums of 32 bits each. Nothing of the
tile is written to memory unless some pair of it may be a duplicate, which is what makes this
several times faster than a matrix product whose result has to be looked through.

The instruction is ``vpdpbusd`` (AVX-512 VNNI): it multiplies 64 unsigned bytes with 64 signed
ones and adds them up in fours. A compiler does not find it by itself in a loop written in Python,
and no array library has a product that stops half way, hence this file. What it computes is, for
stages s = 0, 1, ... of ``steps[s]`` chunks of 32 dimensions each::

    sum[r, c] += a[s, r] + b[s, c] + (x[r] . y[c] over the dimensions of the stage)
    if all sums are negative: return 0

and, when the last stage is over, a bit for every sum that is not negative, and 1. What a and b
mean is the business of :mod:`.int8`.

Memory, in bytes: x is ``[chunk, 8, 6, 4]`` and y ``[chunk, 8, 64, 4]``, where the last axis holds
the four neighbouring dimensions that one instruction adds up; chunks are ``x_stride`` and
``y_stride`` apart. a is int32 ``[stage, 8]`` (six used), b int32 ``[stage, 64]``, ``steps`` int64.
"""

from __future__ import annotations

from typing import Any

import llvmlite.binding
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

ROWS, COLUMNS, CHUNK = 6, 64, 32

_LANES = 16
_VECTORS = COLUMNS // _LANES
_SUMS = ROWS * _VECTORS
_FOURS = CHUNK // 4

_I16, _I32, _I64 = (ir.IntType(bits) for bits in (16, 32, 64))
_INTS = ir.VectorType(_I32, _LANES)
_BYTES = ir.VectorType(ir.IntType(8), 4 * _LANES)
_INSTRUCTION = "llvm.x86.avx512.vpdpbusd.512"


@intrinsic
def tile(typingctx, x, y, x_stride, y_stride, a, b, steps, stages, masks):
    """1 where some pair of the tile is left, its bits in ``masks`` [6, 4] uint16; 0 elsewhere.

    All arguments are int64: addresses, strides in bytes, and the number of stages.
    """

    def generate(context, builder, signature, arguments):
        return builder.call(_function(builder.module), arguments)

    return types.int32(*[types.int64] * 9), generate


def _function(module: Any) -> Any:
    """The function in this module, defined when first asked for."""
    name = "datamerge.dedup.tile"
    if name in module.globals:
        return module.globals[name]
    function = ir.Function(module, ir.FunctionType(_I32, [_I64] * 9), name)
    function.linkage = "internal"
    _define(function, _dot(module))
    return function


def _dot(module: Any) -> Any:
    """``sums, unsigned bytes, signed bytes -> sums``; LLVM 22 made the bytes' type say so."""
    kind = _BYTES if llvmlite.binding.llvm_version_info[0] >= 22 else _INTS
    if _INSTRUCTION in module.globals:
        return module.globals[_INSTRUCTION]
    return ir.Function(module, ir.FunctionType(_INTS, [_INTS, kind, kind]), _INSTRUCTION)


def _define(function: Any, dot: Any) -> None:
    x0, y0, x_stride, y_stride, a, b, steps, stages, masks = function.args
    names = ("entry", "stage", "chunk", "test", "next", "some", "none")
    blocks = {name: function.append_basic_block(name) for name in names}
    build = ir.IRBuilder(blocks["entry"])
    build.branch(blocks["stage"])

    # A new stage: what its bound adds to every sum.
    build.position_at_end(blocks["stage"])
    stage, x_at, y_at = (build.phi(_I64) for _ in range(3))
    sums_at = [build.phi(_INTS) for _ in range(_SUMS)]
    a_row = build.add(a, build.mul(stage, _number(8 * 4)))
    b_row = build.add(b, build.mul(stage, _number(COLUMNS * 4)))
    of_columns = [_load(build, b_row, 64 * v, _INTS) for v in range(_VECTORS)]
    begun = []
    for r in range(ROWS):
        of_row = _splat(build, _load(build, a_row, 4 * r, _I32))
        for v in range(_VECTORS):
            bound = build.add(of_row, of_columns[v])
            begun.append(build.add(sums_at[r * _VECTORS + v], bound))
    chunks = _load(build, build.add(steps, build.mul(stage, _number(8))), 0, _I64)
    build.branch(blocks["chunk"])

    # A chunk of 32 dimensions: eight times four of them, all 24 sums at a time.
    build.position_at_end(blocks["chunk"])
    done, x, y = (build.phi(_I64) for _ in range(3))
    held = [build.phi(_INTS) for _ in range(_SUMS)]
    sums = _multiplied(build, dot, x, y, list(held))
    done_next = build.add(done, _number(1))
    x_next, y_next = build.add(x, x_stride), build.add(y, y_stride)
    loops = [(done, _number(0), done_next), (x, x_at, x_next), (y, y_at, y_next)]
    loops += list(zip(held, begun, sums, strict=True))
    _incoming(loops, blocks["stage"], blocks["chunk"])
    build.cbranch(build.icmp_signed("<", done_next, chunks), blocks["chunk"], blocks["test"])

    # Is any sum not negative? Only then has the conjunction of all a lane without its sign.
    build.position_at_end(blocks["test"])
    zero = ir.Constant(_INTS, None)
    conjunction = sums[0]
    for one in sums[1:]:
        conjunction = build.and_(conjunction, one)
    negative = build.bitcast(build.icmp_signed("<", conjunction, zero), _I16)
    all_negative = build.icmp_unsigned("==", negative, ir.Constant(_I16, 0xFFFF))
    build.cbranch(all_negative, blocks["none"], blocks["next"])

    build.position_at_end(blocks["next"])
    stage_next = build.add(stage, _number(1))
    loops = [(stage, _number(0), stage_next), (x_at, x0, x_next), (y_at, y0, y_next)]
    loops += [(start, zero, end) for start, end in zip(sums_at, sums, strict=True)]
    _incoming(loops, blocks["entry"], blocks["next"])
    build.cbranch(build.icmp_signed("<", stage_next, stages), blocks["stage"], blocks["some"])

    build.position_at_end(blocks["some"])
    for place, one in enumerate(sums):
        bits = build.bitcast(build.icmp_signed(">=", one, zero), _I16)
        build.store(bits, _pointer(build, masks, 2 * place, _I16), align=2)
    build.ret(ir.Constant(_I32, 1))
    build.position_at_end(blocks["none"])
    build.ret(ir.Constant(_I32, 0))


def _multiplied(build: Any, dot: Any, x: Any, y: Any, sums: list[Any]) -> list[Any]:
    """The sums after one chunk of 32 dimensions."""
    kind = dot.function_type.args[1]
    for four in range(_FOURS):
        columns = [
            build.bitcast(_load(build, y, 4 * COLUMNS * four + 64 * v, _INTS), kind)
            for v in range(_VECTORS)
        ]
        for r in range(ROWS):
            row = build.bitcast(_splat(build, _load(build, x, 4 * (ROWS * four + r), _I32)), kind)
            for v in range(_VECTORS):
                place = r * _VECTORS + v
                sums[place] = build.call(dot, [sums[place], columns[v], row])
    return sums


def _incoming(loops: list[tuple[Any, Any, Any]], before: Any, again: Any) -> None:
    for phi, first, following in loops:
        phi.add_incoming(first, before)
        phi.add_incoming(following, again)


def _number(value: int) -> Any:
    return ir.Constant(_I64, value)


def _pointer(build: Any, address: Any, offset: int, kind: Any) -> Any:
    return build.inttoptr(build.add(address, _number(offset)), kind.as_pointer())


def _load(build: Any, address: Any, offset: int, kind: Any) -> Any:
    return build.load(_pointer(build, address, offset, kind), align=2)


def _splat(build: Any, value: Any) -> Any:
    """The value in all lanes of a register."""
    nothing = ir.Constant(_INTS, ir.Undefined)
    first = build.insert_element(nothing, value, ir.Constant(_I32, 0))
    return build.shuffle_vector(first, nothing, ir.Constant(_INTS, None))
