package wsclient

import "context"

// SubscribeReplies has replies come from now on to what is sent anonymously on this
// connection, and nothing else.
func (c *Conn) SubscribeReplies(ctx context.Context) error {
	id, err := c.ask(ctx, map[string]any{"type": "subscribe", "senderTags": []string{}, "replies": true, "others": false})
	if err == nil {
		_, err = c.await(ctx, id, "ok")
	}
	return err
}
