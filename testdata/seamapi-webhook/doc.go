// Package seamapiwebhook is empty. Tools that visit each module expect a package.
package seamapiwebhook
