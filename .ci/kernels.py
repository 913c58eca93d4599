"""Checks in a built binary that the inner loops of the arithmetic are whole: no call where instructions should be.

    python3 .ci/kernels.py BINARY

A loop over registers is fast if all that it is made of stands in one function, compiled with the instructions of that function. What the
compiler does not inline (an iterator's part, an instruction without its feature) is a call for each product, and ten times as slow.
No clock is needed to see that, and no processor that has the instructions.
"""

import platform
import re
import subprocess
import sys

# The functions, and the instruction that multiplies with how often it must stand in one at least: once for each register of sums.
KERNELS = {
    r"kernel::x86::avx2::inner": (r"vpmullw .*%ymm", 8),
    r"kernel::x86::avx512::inner": (r"vpmullw .*%zmm", 8),
    r"kernel::(Kernel::products|portable)": (r"pmullw", 1),
    r"side::add_product::wide": (r"vmulpd .*%ymm", 8),
}

# Parts of iterators, arrays and slices, and instructions that became functions.
CALLS = re.compile(r"call\s.*<.*(core::(iter|array|slice|ops::range)::|core_arch|_mm\d*_)")
# A slice that is cut at a wrong place ends the program; that call is never made.
NEVER = re.compile(r"_fail|panic")


def functions(binary):
    """Name -> instructions, of the functions that matter."""
    listing = subprocess.run(
        ["objdump", "--disassemble", "--demangle", "--no-show-raw-insn", binary], check=True, capture_output=True, text=True
    ).stdout
    found, name = {}, None
    for line in listing.splitlines():
        head = re.match(r"[0-9a-f]+ <(.*)>:$", line)
        if head:
            name = re.sub(r"::h[0-9a-f]{16}$", "", head[1])
            if any(re.search(wanted + "$", name) for wanted in KERNELS):
                found[name] = []
        elif name in found:
            found[name].append(line)
    return found


def main(binary):
    if platform.machine() != "x86_64":
        print("kernels: only looked at on x86-64")
        return 0
    faults, looked = [], 0
    compiled = functions(binary)
    for wanted, (instruction, least) in KERNELS.items():
        bodies = [lines for name, lines in compiled.items() if re.search(wanted + "$", name)]
        count = max((sum(bool(re.search(instruction, line)) for line in lines) for lines in bodies), default=0)
        if count < least:
            faults.append(f"{wanted}: {count} times {instruction!r}, at least {least} were expected")
        looked += len(bodies)
    for name, lines in compiled.items():
        for line in lines:
            if CALLS.search(line) and not NEVER.search(line):
                faults.append(f"{name}: {' '.join(line.split()[1:])}")
    for fault in faults:
        print(fault, file=sys.stderr)
    print(f"kernels: {looked} functions, {len(faults)} faults")
    return bool(faults)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
