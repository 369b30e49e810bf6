// Package explain says where each value of a project comes from.
//
// It has the project in canonical form, and the files as they were written. What compose-go did between the two is not
// told by it, so each value is looked for: in the files from the last word to the first, in what services extend, in
// env files; in long forms and short ones. What is found nowhere is a default.
//
// Not here: reading files, and printing (package project).
package explain
