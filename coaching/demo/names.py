"""Invented names for the sample organisation. Nobody in it exists."""
# ruff: noqa: SIM905  (a list of words is easier to read and to add to)

GIVEN = tuple(
    """
    Adaeze Agnieszka Alasdair Amara Anouk Arash Astrid Bahar Bastian Beatriz Bertille Bijan Branwen
    Caoimhe Cedric Chidi Dagny Dalia Davor Delphine Dilnaz Eirlys Ekaterini Elif Emeka Ewan Farah
    Federica Fenna Finnian Gaspard Ghislaine Giedre Gunnar Hana Hedda Hyacinth Idris Ilse Imogen Ines
    Ishaan Jarmila Joaquim Jorunn Kalina Kasimir Keziah Kwabena Laszlo Leocadia Linnea Ludovic Mairead
    Malik Marjolein Mehdi Mirela Nadira Ngozi Niamh Nikolas Odalys Olamide Oriane Pavel Perpetua
    Priyanka Quentin Radmila Ragnhild Rhiannon Roshan Sabine Saoirse Sefton Signe Soledad Svetlana
    Tamsin Tariq Thandiwe Theodora Tomasz Ulrika Vesna Vikram Wiebke Xanthe Yara Yusuf Zofia
    """.split()
)
FAMILY = tuple(
    """
    Abernethy Achterberg Adeyemi Ashgrove Baranowski Bexley-Moor Birkenhaupt Blackthorne Bosanquet
    Brandvold Calloway Castellanos Chukwuma Coppergate Czerwinski Dalgleish Delacourt Dombrowsky
    Eastlake Eberhardt Ekwueme Fairweather Farahani Fenwick-Hale Fjeldstad Gallowglass Ghorbani
    Goldsworthy Greenhalgh Hallgrimsson Hartnoll Hazelwood Holmqvist Ingoldsby Jankowski Joshipura
    Karlsdottir Kettlewell Kingsnorth Kowalczyk Krishnaswamy Lachlan-Reid Leclerc Lindqvist Lovelock
    Maddingley Mandelbaum Marchetti Merriweather Mukherjee Naismith Nightingale-Fox Nwachukwu Oakenfold
    Oduya Osterhagen Papadakis Pemberley Petrossian Quarrington Radcliffe-Ong Ravenscroft Rosenthal
    Rutherglen Sandoval Schimmelpfennig Shackleford Sorensen Stavropoulos Szymanska Tanglewood
    Thistlewood Tregarthen Ueberroth Van-der-Meulen Varadarajan Vasquez-Lind Wainscott Wetherby
    Whitcombe Winterbourne Yarborough Zielinska
    """.split()
)
