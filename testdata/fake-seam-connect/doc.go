// Package fakeseamconnect is empty. Tools that visit each module expect a package.
package fakeseamconnect
