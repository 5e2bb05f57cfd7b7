"""The batch job that `docfleet run` is: a folder in, files out, nothing lost and nothing twice.

      listing --Document--> intake --Task--> fleet of publishers --Done, Failed--> job --> journal, ledger, report

`docfleet.batch.run` puts it together.
"""
