"""The pages of the manual, made from the help of the commands and from the reference of the configuration."""
