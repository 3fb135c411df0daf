"""The scenarios of generated conversations."""

from __future__ import annotations

from typing import NamedTuple


class Scenario(NamedTuple):
    """A kind of phone call.

    Attributes:
        title: The title of the summary.
        summary: The summary of a successful call.
        language: The spoken language as an ISO 639-1 code.
        exchanges: Pairs of a user's message and the agent's answer.
        tool: The name of the tool that the agent uses.
        topic: The topic, which is also the collected reason for the call.
    """

    title: str
    summary: str
    language: str
    exchanges: tuple[tuple[str, str], ...]
    tool: str
    topic: str


SCENARIOS = (
    Scenario(
        "Refund for a cracked teapot",
        "The customer received a cracked teapot. The agent found the order and issued a refund.",
        "en",
        (
            (
                "Hi, the teapot I ordered arrived with a crack right through the lid.",
                "Oh no, I am sorry about the lid. Could you give me the number of your order, please?",
            ),
            (
                "Sure, it should be on the slip here. Seven, three, nine, and then two zeros.",
                "Thank you. I can see the order from last week. Would you like a new teapot, or your money back?",
            ),
            (
                "A refund, please. My sister already bought me another one.",
                "Understood. I have issued the refund to the card that you paid with; it takes three to five days.",
            ),
            (
                "And do I have to send the broken one back to you?",
                "No, please just recycle it. You will get a confirmation by e-mail in a moment.",
            ),
        ),
        "issue_refund",
        "refund",
    ),
    Scenario(
        "New date for a dental check-up",
        "The caller moved a check-up from Tuesday to Friday morning.",
        "en",
        (
            (
                "I have an appointment on Tuesday, but I will be out of town that day.",
                "No problem. May I have your date of birth, so that I find the right appointment?",
            ),
            (
                "The fourth of May, ninety-one.",
                "Found it, at two in the afternoon. There is room on Thursday at four, or on Friday at half past nine.",
            ),
            (
                "Friday morning would be lovely, the earlier the better.",
                "Friday, half past nine, it is. We will remind you the day before by text message.",
            ),
        ),
        "book_appointment",
        "rescheduling",
    ),
    Scenario(
        "Parcel that went to the wrong depot",
        "The parcel had been sorted to the wrong depot; a new delivery was arranged.",
        "en",
        (
            (
                "Where is my parcel? The page has said out for delivery for three days now.",
                "Let me look that up. What does the tracking number end with?",
            ),
            (
                "It ends with double eight, kilo, one.",
                "I see. It was sorted to the wrong depot on Monday and is on its way back.",
            ),
            (
                "So when will it be here? It is a birthday present.",
                "It will be delivered tomorrow before noon, and I have left a note for the driver.",
            ),
        ),
        "order_status",
        "delivery",
    ),
    Scenario(
        "Rechnung doppelt abgebucht",
        "Die Rechnung war zweimal abgebucht worden; ein Betrag wird zurückerstattet.",
        "de",
        (
            (
                "Guten Tag, bei mir wurde die Rechnung für März zweimal abgebucht.",
                "Das tut mir leid, ich schaue gleich nach. Wie lautet Ihre Kundennummer?",
            ),
            (
                "Die müsste vierhundertzwölf Schrägstrich sieben sein.",
                "Danke schön. Ich sehe die beiden Abbuchungen, eine davon geht heute an Sie zurück.",
            ),
            (
                "Wunderbar, und wie lange dauert das ungefähr?",
                "Üblicherweise zwei bis drei Werktage, größere Beträge etwas länger.",
            ),
        ),
        "issue_refund",
        "billing",
    ),
    Scenario(
        "Mot de passe oublié",
        "La cliente ne pouvait plus se connecter ; un lien lui a été envoyé.",
        "fr",
        (
            (
                "Bonjour, j'ai oublié mon mot de passe et le lien ne marche pas.",
                "Bonjour ! Je vous envoie un nouveau lien. Est-ce que l'adresse commence bien par un a ?",
            ),
            (
                "Oui, c'est ça, chez mon employeur.",
                "Très bien, le lien est parti à l'instant ; il est valable une heure.",
            ),
            ("Ah, je l'ai reçu. Merci beaucoup, ça fonctionne !", "Parfait. Puis-je faire autre chose pour vous ?"),
        ),
        "reset_password",
        "account",
    ),
    Scenario(
        "予約の人数を変更",
        "予約の人数を二名から四名に変更した。",
        "ja",
        (
            ("土曜日の予約を四人に変更できますか。", "はい、確認いたします。お名前をお願いいたします。"),
            ("田中と申します。夜七時です。", "田中様、土曜日の午後七時、四名様で承りました。"),
            ("窓側の席だとうれしいです 🙂", "窓側のお席をご用意いたします。お待ちしております。"),
        ),
        "book_appointment",
        "booking",
    ),
)
"""Six kinds of phone calls in four languages."""

GREETINGS = {
    "en": "Hello, this is the service line. How can I help you today?",
    "de": "Guten Tag, hier ist die Servicenummer. Was kann ich für Sie tun?",
    "fr": "Bonjour, ici le service clients. Que puis-je faire pour vous ?",
    "ja": "お電話ありがとうございます。ご用件をお聞かせください。",
}
FILLERS = {
    "en": (
        ("One moment, please, I have to find the paper.", "Take your time, I am here."),
        ("Sorry, could you say that again? The line is noisy.", "Of course. I will say it a little slower."),
        ("Are you a real person, by the way?", "I am an AI assistant, but I can put you through to a colleague."),
        ("That is what the other lady told me as well.", "Good, then we are on the same page."),
        ("Can you hear me? I am on the train.", "Yes, I can hear you well."),
        ("How late can I call you, by the way?", "Any time: I am here day and night."),
        ("Wait, someone is at the door.", "No hurry. I will stay on the line."),
        ("My neighbour had the very same thing.", "Then I am glad that you called, so that we can sort it out."),
        ("Could you send me that in writing?", "Gladly. You will have it in your mailbox in a minute."),
        ("I have called about this before.", "I can see that here. Thank you for your patience."),
    ),
    "de": (
        ("Einen Moment, ich suche eben den Brief.", "Lassen Sie sich Zeit, ich bleibe dran."),
        ("Wie bitte? Hier ist es gerade laut.", "Gern noch einmal, etwas langsamer."),
        ("Spreche ich mit einem Menschen?", "Nein, ich bin eine KI, kann Sie aber gern weiterverbinden."),
        ("Das hat mir die Kollegin auch schon gesagt.", "Sehr gut, dann passt das zusammen."),
        ("Bekomme ich das auch schriftlich?", "Natürlich, die E-Mail kommt in einer Minute."),
        ("Hören Sie mich? Ich sitze im Zug.", "Ja, ich verstehe Sie gut."),
    ),
    "fr": (
        ("Un instant, je cherche le papier.", "Prenez votre temps, je reste en ligne."),
        ("Pardon, vous pouvez répéter ?", "Bien sûr, un peu plus lentement."),
        ("Vous êtes une vraie personne ?", "Non, une assistante virtuelle ; je peux vous passer une collègue."),
        ("C'est aussi ce qu'on m'a dit hier.", "Très bien, alors nous sommes d'accord."),
        ("Vous m'entendez ? Je suis dans le train.", "Oui, je vous entends bien."),
    ),
    "ja": (
        ("少々お待ちください、紙を探します。", "どうぞごゆっくり。"),
        ("すみません、もう一度お願いします。", "かしこまりました。ゆっくり申し上げます。"),
        ("人間の方ですか。", "AIアシスタントです。担当者におつなぎすることもできます。"),
        ("メールでも送っていただけますか。", "はい、すぐにお送りいたします。"),
        ("聞こえますか。電車の中なので。", "はい、よく聞こえております。"),
    ),
}
"""Exchanges that make calls longer, by language."""
