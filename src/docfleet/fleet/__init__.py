"""Many instances, one call: devices and slots, tasks and outcomes, and the executors that run a Worker over them.

This room knows nothing of documents. It imports only `docfleet.errors`, runs any `Worker` over any `Task`, and can be
used alone.
"""
