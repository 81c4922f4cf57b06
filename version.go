package seam

// Version is the version of this module. It is sent with every request.
const Version = "0.2.0"
