// This file is empty on purpose: it lets detach.go declare functions without a body.
