"""TensorRT's quick plugins are not built: importing this says what to use."""
from .plugins import QUICK_PLUGINS

raise ImportError(f"tensorrt.plugin, the quick plugins, is not built: {QUICK_PLUGINS}")
