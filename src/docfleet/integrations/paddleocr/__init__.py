"""Any pipeline of an installed PaddleOCR ("the package") behind the fleet.

      caller's process                          | worker process, one per slot
      never imports paddleocr                   | imports it, makes one pipeline on the one device of its slot
                                                |
      package   what is installed; its classes  |   inspection   (a child process) classes and options, as JSON
      options   one dataclass for each class    |
      plan      what decides a page's result    |   worker       pages in, by our reader; the package's results out
      pipeline  the public side                 |   values       what of a result can travel, and how
      result    a dict with the package's keys  |   files        drawings, tables, ... made by the package's own code

The package is called with one page at a time, as pixels, so that what ends its own runs (a file that cannot be read, a
page it cannot process) ends in one failure here, and what it shares within a process (PDF locks, print options, log
handlers, thread pools) is shared by nobody.
"""
