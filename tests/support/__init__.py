"""What tests share: real servers, real workers, patience."""
