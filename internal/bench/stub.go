package bench

import ("context"; "io")

func Child(ctx context.Context, mode string, in io.Reader, out io.Writer) error { return nil }


var relayFigures, transferFigures, pacingFigures, latencyFigures, footprintFigures, stalledFigures []Figure
