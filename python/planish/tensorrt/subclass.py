"""What programs subclass and this version calls seldom or not: calibrators, allocators, streams, debug listeners."""
from __future__ import annotations

from typing import Any, List, Optional, Sequence

from .enums import CalibrationAlgoType


class IInt8Calibrator:
    """Gives batches for INT8. Not used by this version, whose builder says so: models with QuantizeLinear and DequantizeLinear run as they are."""

    algorithm = CalibrationAlgoType.ENTROPY_CALIBRATION_2

    def __init__(self) -> None:
        pass

    def get_batch_size(self) -> int:
        """Of its batches."""
        return 1

    def get_batch(self, names: Sequence[str]) -> Optional[List[int]]:
        """Addresses of the inputs' next batch; None: there are no more."""
        return None

    def read_calibration_cache(self) -> Optional[bytes]:
        """What write_calibration_cache was given; None: nothing."""
        return None

    def write_calibration_cache(self, cache: bytes) -> None:
        """Keeps what was found."""

    def get_algorithm(self) -> Any:
        """How ranges are found."""
        return self.algorithm


class IInt8EntropyCalibrator2(IInt8Calibrator):
    """By entropy."""


class IInt8EntropyCalibrator(IInt8Calibrator):
    """By entropy, the older way."""

    algorithm = CalibrationAlgoType.ENTROPY_CALIBRATION


class IInt8MinMaxCalibrator(IInt8Calibrator):
    """By extremes."""

    algorithm = CalibrationAlgoType.MINMAX_CALIBRATION


class IInt8LegacyCalibrator(IInt8Calibrator):
    """By percentiles: get_quantile, get_regression_cutoff."""

    algorithm = CalibrationAlgoType.LEGACY_CALIBRATION

    def get_quantile(self) -> float:
        """Of elements within the range."""
        return 0.999

    def get_regression_cutoff(self) -> float:
        """Where a search for the range ends."""
        return 0.5


class IGpuAllocator:
    """Memory of the GPU for engines. Kept, not asked: contexts have their memory from the driver."""

    def __init__(self) -> None:
        pass

    def allocate(self, size: int, alignment: int, flags: int) -> Optional[int]:
        """An address."""
        return None

    def reallocate(self, address: int, alignment: int, new_size: int) -> Optional[int]:
        """Another one, of what is there."""
        return None

    def deallocate(self, memory: int) -> bool:
        """Gives it back."""
        return False

    def allocate_async(self, size: int, alignment: int, flags: int, stream: int) -> Optional[int]:
        """allocate, in the order of a stream."""
        return self.allocate(size, alignment, flags)

    def deallocate_async(self, memory: int, stream: int) -> bool:
        """deallocate, in the order of a stream."""
        return self.deallocate(memory)


class IGpuAsyncAllocator(IGpuAllocator):
    """The same in the order of streams."""


class IAlgorithmSelector:
    """Chooses kernels, of TensorRT 8. Not asked: a timing cache makes builds alike."""

    def __init__(self) -> None:
        pass

    def select_algorithms(self, context: Any, choices: Any) -> List[int]:
        """Which ones may be used."""
        return list(range(len(choices)))

    def report_algorithms(self, contexts: Any, choices: Any) -> None:
        """Told which were."""


class IStreamReader:
    """Gives a plan piece by piece: read(size) -> bytes."""

    def __init__(self) -> None:
        pass

    def read(self, size: int) -> bytes:
        """The next bytes; b"": there are no more."""
        raise NotImplementedError("a stream reader defines read(size)")


class IStreamReaderV2(IStreamReader):
    """Gives a plan piece by piece: read(size, stream) -> bytes, seek(offset, where)."""

    def read(self, num_bytes: int, stream: int = 0) -> bytes:
        """The next bytes; b"": there are no more."""
        raise NotImplementedError("a stream reader defines read(num_bytes, stream)")

    def seek(self, offset: int, where: Any) -> bool:
        """Goes to another place; not called: plans are read from the first byte to the last."""
        return False


class IStreamWriter:
    """Takes a plan piece by piece: write(data) -> bytes taken."""

    def __init__(self) -> None:
        pass

    def write(self, data: bytes) -> int:
        """Takes bytes."""
        raise NotImplementedError("a stream writer defines write(data)")


class IDebugListener:
    """Told values of a run: process_debug_tensor(address, location, type, shape, name, stream) -> bool."""

    def __init__(self) -> None:
        pass

    def process_debug_tensor(self, addr: int, location: Any, type: Any, shape: Any, name: str, stream: int) -> bool:
        """A value, which lives during the call."""
        raise NotImplementedError("a debug listener defines process_debug_tensor(addr, location, type, shape, name, stream)")
