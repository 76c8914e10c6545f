package main

// residentUnit is what Rusage counts in: bytes on darwin.
const residentUnit = 1
