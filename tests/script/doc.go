// Package script tests the command line with scripts that anybody can read.
//
// Each testdata/NAME.txtar is a testscript: commands, what they print, their exit code, and the files that they need. Each runs
// in a folder and with a tiffin of its own; a script that makes containers begins with `[!root] skip`. With UPDATE=1 the
// expected texts in the scripts are rewritten.
//
// Beside testscript's own commands there are:
//
//	code N CMD…     CMD has to end with the exit code N
//	eventually CMD… CMD has to end well within ten seconds
//	interrupted REGEXP… -- CMD…  interrupts CMD at each of what it prints
//	port NAME       puts a port that nobody has into the variable NAME
//	listen NAME     takes a port, puts it into NAME and keeps it
//	registry NAME   starts a registry that takes images, and puts its address into NAME
package script
