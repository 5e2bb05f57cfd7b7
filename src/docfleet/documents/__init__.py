"""What can be read, page by page.

      caller's process                 | worker process                       | decoder process
      anything a user may pass         |                                      |
          | sources.iter_sources       |                                      |
          v                            |                                      |
      Source, Source, ... (lazily)  ---|-->  reader.Reader.read               |
      names, URLs, bytes and arrays    |        | fetch a URL                 |
      only                             |        | decode a light image        |
                                       |        +-- everything else ----------|-->  formats.open_document
                                       |        v                             |     under limits of the kernel
                                       |     Page, or PageCount               |

The left part (`sources`, `folders`) looks at names and at the kind of a path, never into a file; images of Pillow's
alone are decoded there, because whoever made one has decided so. The others meet untrusted bytes, and what brings them
down costs a worker or, in the decoder process, a page.
"""
