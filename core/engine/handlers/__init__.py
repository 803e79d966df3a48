"""What the engine does for each request: one module a subject, one function a message.

Importing this package imports all of its modules, and so registers their handlers.
"""

from importlib import import_module
from pkgutil import iter_modules

for _module in iter_modules(__path__):
    import_module(f"{__name__}.{_module.name}")
