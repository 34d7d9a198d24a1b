// Package deploy has tests of the files beside it: compose.yaml and helm/.
//
//	image/         makes the container image of a release
//	probe/         its health check
//	compose.yaml   a whole mixnet on one machine
//	helm/          a chart for a cluster
//
// With the tag engine, and as root, the whole network of compose.yaml is run from
// the image, each service in namespaces of its own, as a container engine would.
package deploy
