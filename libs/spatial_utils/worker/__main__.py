"""``python -m libs.spatial_utils.worker <fd>``: leave the network, then load what reading needs, and serve.

In this order: pyarrow starts a thread as it is imported, and from then on nobody but root may leave the network.
"""

import sys

from libs.spatial_utils.worker import sandbox

if __name__ == "__main__":
    no_network = sandbox.leave_network()
    from libs.spatial_utils.worker import server

    server.serve(int(sys.argv[1]), no_network=no_network)
