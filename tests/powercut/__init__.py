"""The contract under power cuts: whole machines whose kernels die while the daemon works.

`make powercut` boots user-mode Linux, an ordinary process whose disk is a file, kills it and boots it again on the same
disk: what its kernel had not written to the disk is gone, as in a power cut. `guest` runs inside, `series` and
`machine` outside. A sender inside tells the outside what is durable, and only that must have a fate.
"""
