"""How well somebody has mastered a competency, from single answers (performance factors analysis)."""
