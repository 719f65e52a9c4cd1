"""The extension module of TensorRT's package, `tensorrt.tensorrt`, whose names are those of the package."""
import sys

import planish.tensorrt

sys.modules[__name__] = planish.tensorrt
