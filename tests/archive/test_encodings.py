"""Comments in old encodings: hardly any bytes to tell by, and each must come back letter by letter."""

import os
import subprocess
import sys

import pytest

from sc2lib.archive.contents import decode
from sc2lib.archive.encodings import CODECS, FIT_BYTES

SHORT = [
    ("// Calcule la durée écoulée depuis le début\nint duree;\n", "latin-1"),
    ("/* Größe des Puffers für Zeichen */\n", "latin-1"),
    ("# Función que añade un número\n", "latin-1"),
    ("# Esta função não faz nada\n", "latin-1"),
    ("# Copyright André Simon\nx = 1\n", "latin-1"),
    ("author = 'Jürgen'\n", "latin-1"),
    ("// Björn\n", "latin-1"),
    ("/* Håkan */ int x;\n", "latin-1"),
    ("/* © 2004 Foo */\nint x;\n", "latin-1"),
    ("printf('20°C');\n", "latin-1"),
    ("Ångström, Capek\n", "latin-1"),
    ("it’s “quoted”\n", "cp1252"),
    ("price = 5 €\n", "cp1252"),
    ("-- hämta användarens namn från tabellen för åtkomst\n", "latin-1"),
    ("// Функция возвращает длину строки в символах\n", "cp1251"),
    ("# Программа печатает список файлов\n", "koi8-r"),
    ("// Funkcja zwraca długość łańcucha znaków, żółw\n", "iso8859-2"),
    ("// Funkce vrací délku řetězce příliš žluťoučký kůň\n", "cp1250"),
    ("// 関数は文字列の長さを返します\n", "shift_jis"),
    ("/* この関数は文字列を返す */\n", "euc_jp"),
    ("// 这个函数返回字符串的长度\n", "gbk"),
    ("// 這個函數返回字串的長度\n", "big5"),
    ("// 이 함수는 문자열의 길이를 반환한다\n", "euc_kr"),
    ("// Η συνάρτηση επιστρέφει το μήκος\n", "iso8859-7"),
    ("// Fonksiyon dizenin uzunluğunu döndürür, şöyle\n", "iso8859-9"),
    ("// הפונקציה מחזירה אורך\n", "cp1255"),
    ("// Сортирует массив по возрастанию\n", "cp1251"),
    ("// Сортирует массив по возрастанию\n", "koi8-r"),
    ("# 读取配置文件并返回结果\n", "gb18030"),
    ("# 讀取設定檔並傳回結果\n", "big5"),
    ("# 설정 파일을 읽는다\n", "euc_kr"),
    ("# 設定ファイルを読み込む\n", "euc_jp"),
    ("# 設定ファイルを読み込む\n", "shift_jis"),
    ("# Wczytuje plik konfiguracyjny i sprawdza błędy\n", "iso8859-2"),
    ("# Wczytuje plik konfiguracyjny i sprawdza błędy\n", "cp1250"),
    ("# Načte soubor s nastavením\n", "iso8859-2"),
    ("# Načte soubor s nastavením\n", "cp1250"),
    ("# Διαβάζει το αρχείο ρυθμίσεων\n", "iso8859-7"),
    ("# Διαβάζει το αρχείο ρυθμίσεων\n", "cp1253"),
    ("# Ayar dosyasını okur ve değeri döndürür\n", "iso8859-9"),
    ("# Beolvassa a beállításokat, és hibát jelez, ha űrlap hiányzik, őrzi\n", "iso8859-2"),
]
LONG = [
    (
        (
            "// Этот модуль читает настройки из файла и проверяет их перед запуском программы.\n"
            "// Если файл не найден, используются значения по умолчанию.\n"
            "int main(void);\n"
            "// Возвращает ноль при успехе, иначе код ошибки.\n"
        ),
        ["cp1251", "koi8-r"],
    ),
    (
        (
            "// 本模块从文件中读取设置，并在程序启动之前进行检查。\n"
            "// 如果找不到文件，则使用默认值。\n"
            "int main(void);\n"
            "// 成功时返回零，否则返回错误代码。\n"
        ),
        ["gb18030"],
    ),
    (
        (
            "// 本模組從檔案中讀取設定，並在程式啟動之前進行檢查。\n"
            "// 如果找不到檔案，則使用預設值。\n"
            "int main(void);\n"
            "// 成功時傳回零，否則傳回錯誤代碼。\n"
        ),
        ["big5"],
    ),
    (
        (
            "// 이 모듈은 파일에서 설정을 읽고 프로그램을 시작하기 전에 검사한다.\n"
            "// 파일이 없으면 기본값을 사용한다.\n"
            "int main(void);\n"
            "// 성공하면 영을 반환하고 아니면 오류 코드를 반환한다.\n"
        ),
        ["euc_kr"],
    ),
    (
        (
            "// このモジュールは設定をファイルから読み込み、プログラムの起動前に検査します。\n"
            "// ファイルがない場合は既定値を使います。\n"
            "int main(void);\n"
            "// 成功すればゼロを、そうでなければエラーコードを返します。\n"
        ),
        ["euc_jp", "shift_jis"],
    ),
    (
        (
            "// Ten moduł wczytuje ustawienia z pliku i sprawdza je przed uruchomieniem programu.\n"
            "// Jeśli pliku nie ma, używane są wartości domyślne.\n"
            "int main(void);\n"
            "// Zwraca zero, gdy się powiedzie, w przeciwnym razie kod błędu.\n"
        ),
        ["iso8859-2", "cp1250"],
    ),
    (
        (
            "// Tento modul čte nastavení ze souboru a před spuštěním programu je ověří.\n"
            "// Když soubor chybí, použijí se výchozí hodnoty.\n"
            "int main(void);\n"
            "// Při úspěchu vrací nulu, jinak kód chyby.\n"
        ),
        ["iso8859-2", "cp1250"],
    ),
    (
        (
            "// Η μονάδα διαβάζει τις ρυθμίσεις από το αρχείο και τις ελέγχει πριν από την εκκίνηση.\n"
            "// Αν λείπει το αρχείο, χρησιμοποιούνται οι προεπιλεγμένες τιμές.\n"
        ),
        ["iso8859-7"],
    ),
    (
        (
            "// Bu modül ayarları dosyadan okur ve program başlamadan önce denetler.\n"
            "// Dosya bulunamazsa varsayılan değerler kullanılır.\n"
        ),
        ["iso8859-9"],
    ),
    (
        (
            "// Ce module lit les réglages dans un fichier et les vérifie avant de démarrer le programme.\n"
            "// Si le fichier est absent, les valeurs par défaut sont utilisées.\n"
            "// L’opération échoue à la première erreur.\n"
        ),
        ["cp1252"],
    ),
    (
        (
            "// Dieses Modul liest die Einstellungen aus einer Datei und prüft sie vor dem Start.\n"
            "// Fehlt die Datei, gelten die üblichen Werte; Rückgabe: null für Erfolg, größer sonst.\n"
        ),
        ["latin-1"],
    ),
]


@pytest.mark.parametrize(("text", "encoding"), SHORT)
def test_a_line_is_read_in_its_encoding(text: str, encoding: str) -> None:
    assert decode(text.encode(encoding)).text == text


@pytest.mark.parametrize(("text", "encoding"), [(text, encoding) for text, codecs in LONG for encoding in codecs])
def test_a_few_lines_are_read_in_their_encoding(text: str, encoding: str) -> None:
    assert decode(text.encode(encoding)).text == text


def test_lines_drawn_in_the_encoding_of_dos() -> None:
    text = "/*┌────────────┐\n  │ Name       │\n  └────────────┘*/\n"
    assert decode(text.encode("cp437")).text == text


def test_a_guess_must_hold_for_the_whole_file() -> None:
    """Byte 81 is nothing in cp1252; where it stands behind all that is looked at, the file is not lost for it."""
    text = decode(b"caf\xe9\n" * FIT_BYTES + b"\x81\n").text
    assert text and text.startswith("café")


def test_a_long_line_is_looked_at_where_it_is_strange() -> None:
    text = "x = 1; " * FIT_BYTES + "// Функция возвращает длину строки; " * FIT_BYTES
    assert decode(text.encode("koi8-r")).text == text
    wide = "var a = '設定ファイルを読み込む、'; " * FIT_BYTES
    assert decode(wide.encode("euc_jp")).text == wide


def test_one_strange_byte_is_latin() -> None:
    """The prior: any encoding explains a single letter, so the likeliest does."""
    letters = "éèàçêâîôûùëïüäößåæøñóíáúãõÉÄÖÜÅ"
    assert {decode(f"// Ren{letter}\n".lower().encode("cp1252")).encoding for letter in letters} == {"cp1252"}


def test_every_codec_is_one_that_python_knows_and_reads_ascii_as_ascii() -> None:
    """Escapes such as those of ISO-2022 are ASCII bytes, hence valid UTF-8, and never come here."""
    assert [codec for codec in CODECS if b"int x;\n".decode(codec) != "int x;\n"] == []


def test_words_of_two_languages_are_the_likelier_one() -> None:
    """What stays wrong: nothing in the bytes of one word says that it is Croatian."""
    assert decode("pomoću".encode("iso8859_2")).text == "pomoæu"


def test_the_guess_does_not_depend_on_the_order_of_sets() -> None:
    program = (
        "from sc2lib.archive.encodings import guess\n"
        "print([guess(f'// {a} {b}'.encode('cp1251')) for a in ('метод', 'Індекс', 'см.') for b in ('да', 'Раздел')])"
    )
    runs = [
        subprocess.run(
            [sys.executable, "-c", program], env=os.environ | {"PYTHONHASHSEED": seed}, stdout=-1, check=True
        )
        for seed in ("1", "2", "3")
    ]
    assert len({run.stdout for run in runs}) == 1
