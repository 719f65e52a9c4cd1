"""TensorRT's quick plugins are not built: importing this says what to use."""
# By its own name: behind an alias this is `tensorrt.plugin`, whose package is not that of the other modules.
from planish.tensorrt.plugins import QUICK_PLUGINS

raise ImportError(f"tensorrt.plugin, the quick plugins, is not built: {QUICK_PLUGINS}")
