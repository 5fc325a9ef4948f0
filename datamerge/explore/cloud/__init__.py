"""The map: points drawn, laid out on a plane and coloured, as a widget and as a page."""
