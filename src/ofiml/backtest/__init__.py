"""Does the forecast survive the costs of trading?"""
