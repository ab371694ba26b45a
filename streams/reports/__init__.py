"""Reports for people who lead teams: what a week cost customers, as a page that needs nothing but itself.

weeks.py    ISO weeks in a time zone
weekly.py   what is told of a week, from the tables
words.py    how it is said, in English and German
markup.py   HTML in which every text is escaped
page.py     the page
printing.py the page as PDF, by the Chromium of the machine
"""
