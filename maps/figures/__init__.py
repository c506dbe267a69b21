"""The commanders' view: what came of the alerts, how long it took, who saw and walked what."""
