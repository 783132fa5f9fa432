"""What a picture's description is asked for with, in training and by ``steer data describe``."""

DESCRIBE = "Describe the content, composition, colour, light and depth of field of this picture in one paragraph."
