// Package storetest says what every [endpoint.Store] must do.
//
//	func TestMyStore(t *testing.T) {
//		storetest.Store(t, func(t *testing.T) func() endpoint.Store {
//			dir := t.TempDir()
//			return func() endpoint.Store { return open(t, dir) } // the same store, opened again
//		})
//	}
package storetest
