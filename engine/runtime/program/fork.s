// This file is empty on purpose: it lets fork.go declare functions without a body.
