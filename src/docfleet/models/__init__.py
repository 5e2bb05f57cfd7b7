"""One module per kind of network: prepare its input, run it, interpret its output.

page --detection, db--> quads --quads: sort--crops--> crops --orientation, rotate--> upright crops
                                                            --recognition, ctc, words--> lines
"""
