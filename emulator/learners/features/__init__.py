"""What the learners see of a text: hashed features of tokens, passages and wordings."""
