"""Start the process that draws figures."""

import queue
import sys

from core.protocol.messages import Ready
from core.protocol.serving import Incoming, StepClock, start_reading, take_standard_output


def main() -> int:
    """Serve on standard input and output; what is printed goes to standard error."""
    send, inbox, clock = take_standard_output(), queue.SimpleQueue[Incoming](), StepClock()
    start_reading(inbox, send, clock)
    from core.figures.server import serve  # matplotlib takes a second: whether this lives is answered meanwhile

    send(Ready(device="cpu", torch_version=""))
    serve(inbox, send, clock)
    return 0


if __name__ == "__main__":
    sys.exit(main())
