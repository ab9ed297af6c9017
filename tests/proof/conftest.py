from mistaken import library as library
