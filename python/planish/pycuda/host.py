"""The host's side of planish.pycuda: its memory, and what lies where, so that a copy to a number goes wrong with an error and not with the process."""
from __future__ import annotations

import bisect
import collections
import threading
from typing import Any, Deque, Dict, List, Optional, Tuple

import numpy as np

ALIGN = 256
# Of freed memory that is kept, so that its addresses stay known as freed: nobody else gets them meanwhile.
FREED_MOST, FREED_BYTES = 1024, 16 << 20


class Blocks:
    """All memory that was handed out, by address."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._starts: List[int] = []
        self._blocks: Dict[int, Tuple[int, bool]] = {}  # bytes, and is it in use?
        self._gone: Deque[Any] = collections.deque()  # freed since the last look: the collector frees at any time, also while the lock is held
        self._freed: Deque[Any] = collections.deque()
        self._freed_bytes = 0

    def make(self, size: int) -> Any:
        """An array of bytes, at least one, aligned, with a byte behind it that is nobody's."""
        room = np.empty(max(size, 1) + ALIGN, np.uint8)
        start = -room.ctypes.data % ALIGN
        memory = room[start : start + max(size, 1)]
        with self._lock:
            self._settle()
            bisect.insort(self._starts, memory.ctypes.data)
            self._blocks[memory.ctypes.data] = size, True
        return memory

    def free(self, memory: Any) -> None:
        """Takes it back."""
        self._gone.append(memory)

    def _settle(self) -> None:
        while self._gone:
            memory = self._gone.popleft()
            self._blocks[memory.ctypes.data] = self._blocks[memory.ctypes.data][0], False
            self._freed.append(memory)
            self._freed_bytes += memory.size
        while len(self._freed) > FREED_MOST or self._freed_bytes > FREED_BYTES:
            memory = self._freed.popleft()
            self._freed_bytes -= memory.size
            del self._blocks[memory.ctypes.data]
            del self._starts[bisect.bisect_left(self._starts, memory.ctypes.data)]

    def complaint(self, address: int, size: int) -> Optional[str]:
        """Why a number of bytes at an address are not to be touched; None: nothing is known against it. Other memory of the host is not ours to judge."""
        if not 0 < address < 1 << 64 and size:
            return f"{address} is no address"
        with self._lock:
            self._settle()
            at = bisect.bisect_right(self._starts, address)
            if at > 0:
                start = self._starts[at - 1]
                whole, used = self._blocks[start]
                if address <= start + whole:
                    if not used and size:
                        return f"the memory at {address:#x} was freed"
                    left = start + whole - address
                    return f"{size} bytes do not fit into memory of {left}" + (f", the last of {whole}" if left < whole else "") if size > left else None
            if at < len(self._starts) and self._starts[at] < address + size:
                return f"{size} bytes at {address:#x} reach into other memory"
        return None


blocks = Blocks()
