// Package addresses gives published ports as variables: WEB_80=127.0.0.1:49153.
// It is pure.
package addresses
