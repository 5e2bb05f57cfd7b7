"""What can be read, page by page.

      caller's process                  | worker process
      anything a user may pass          |
          | sources.iter_sources        |
          v                             |
      Source, Source, ... (lazily)  ----|-->  reader.Reader.read  -->  Page, or PageCount for a longer document
      names and arrays only             |     bytes are opened, counted and decoded here only

The left half (`sources`, `folders`) looks at names and at the kind of a path, never into a file. The right half
(`reader` and one module per kind of file) meets untrusted bytes, and a file that brings it down costs a worker.
"""
