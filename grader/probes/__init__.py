"""What a worker can be asked: each public function takes tensors and JSON and gives tensors and JSON.

A probe calls the submission as its user would and returns what came out. It knows no expected value and judges nothing;
that is the checks' work, on the other side of the channel. `<module>_<function>` is the name that checks call it by.
"""
