"""From tracks to what they mean: crossings, groups, patrols, zones, places."""
