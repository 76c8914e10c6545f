package main

// residentUnit is what Rusage counts in: kilobytes on Linux.
const residentUnit = 1024
