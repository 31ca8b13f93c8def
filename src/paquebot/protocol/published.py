"""Our schemas as published resources. Written by fixtures/make_published.py; do not edit."""

from __future__ import annotations

PUBLISHERS: tuple[str, ...] = (
    "KgXKeRkoH-X9y5atGLYGZ2uD0-Yq2KhbrXfjyH9CHLSgkY-ourjlL7pdvzJ3LZalPPqXSghxlak7RXuAIgdrIA",
    "rfpOhVvpd5yMioWdiq11qp488xw4ty25CEhKLnMnv49l3Y-Q6GWbChqGQG8LhTs77R19JM-HVE8dt4HoFmMNYw",
)
"""The throw-away identities that published them; their private keys are not kept."""

URIS: dict[str, str] = {
    "about": "sdmp://KgXKeRkoH-X9y5atGLYGZ2uD0-Yq2KhbrXfjyH9CHLSgkY-ourjlL7pdvzJ3LZalPPqXSghxlak7RXuAIgdrIA/WpFSc2Tt-qWLwEJ6dWrieylClfz1gAbrPo9S4TmOry3zKBfiFDYGVD3X3NYQtl7DWRNX5jC0doqs8kVC9lWgJw",
    "file": "sdmp://KgXKeRkoH-X9y5atGLYGZ2uD0-Yq2KhbrXfjyH9CHLSgkY-ourjlL7pdvzJ3LZalPPqXSghxlak7RXuAIgdrIA/FXnYRKbut9nqB68LOQMtdTFDpUKqJ_uPy_eLf4p7EUf7hiNd61zOhZgEPuYL_mVnn27cD-p95z0GcAhKEs6nuA",
    "envelope_keys": "sdmp://KgXKeRkoH-X9y5atGLYGZ2uD0-Yq2KhbrXfjyH9CHLSgkY-ourjlL7pdvzJ3LZalPPqXSghxlak7RXuAIgdrIA/xMIGu7egYIwwQup0YI6CAe8VfH6RuBlDcn5Zsd1smQM18E7ec6dkedkXwNKc6H0FWp-qaRp6oCquBKjtMd7xRg",
    "sealed": "sdmp://rfpOhVvpd5yMioWdiq11qp488xw4ty25CEhKLnMnv49l3Y-Q6GWbChqGQG8LhTs77R19JM-HVE8dt4HoFmMNYw/b-7UMwn7NBZkPxWGrQr5UscJNLk9tQZSLQ_1HB_kZr7iiYklJEb90QUMejW9UQyvwAVv5H_ATQv4zNWIbjfwdg",
    "wrap": "sdmp://rfpOhVvpd5yMioWdiq11qp488xw4ty25CEhKLnMnv49l3Y-Q6GWbChqGQG8LhTs77R19JM-HVE8dt4HoFmMNYw/1TRtS1Ys23C63bGe9bi5ILNvl7wbyKs0YDXSLITi48npMLuvUknlP23bANX87zFvlCBVcC8NimOG59LbUJFSqw",
    "ending": "sdmp://rfpOhVvpd5yMioWdiq11qp488xw4ty25CEhKLnMnv49l3Y-Q6GWbChqGQG8LhTs77R19JM-HVE8dt4HoFmMNYw/vysToBWRcuNMRuTBfQsuRGNaJdPD1Ujh_7vyNvBHgGVpzPbWw3DJeZBFpZlNMMtJ00wqqLx534AXiBXWb2NhFw",
}
"""By which URI a container names each of our schemas."""

OBJECTS: tuple[str, ...] = (
    (
        '{"sdmp":{"version":"0.12.0","schemas":["signature"]},"signature":{"identifier":"iwfQ2GlfIsfc6Pp8-yTf'
        'RXw9n9c3J5RTR7rtNkomTiH7gZfKbtKiobkLjfPumB_q-ZCfe2nd2ZAPnPax_Cmmgg","payload":"eyJzZG1wIjp7InZlcnNpb'
        "24iOiIwLjEyLjAiLCJzY2hlbWFzIjpbImlkZW50aXR5Il19LCJpZGVudGl0eSI6eyJ0eXBlIjoidXNlciIsImV4cGlyZXMiOiIyM"
        "TI2LTAxLTAxVDAwOjAwOjAwLjAwMFoiLCJrZXkiOiJNQ293QlFZREsyVndBeUVBT05MMXFWWUpwYWFIdk9xc2k4dDNsTldXNDQ2M"
        "21zR3BOMmpEWmJvSnVzYz0iLCJmaW5nZXJwcmludCI6IktnWEtlUmtvSC1YOXk1YXRHTFlHWjJ1RDAtWXEyS2hiclhmanlIOUNIT"
        'FNna1ktb3VyamxMN3BkdnpKM0xaYWxQUHFYU2doeGxhazdSWHVBSWdkcklBIn19","signatures":[{"protected":"eyJhbGc'
        "iOiJFZERTQSIsImtpZCI6IktnWEtlUmtvSC1YOXk1YXRHTFlHWjJ1RDAtWXEyS2hiclhmanlIOUNITFNna1ktb3VyamxMN3Bkdnp"
        'KM0xaYWxQUHFYU2doeGxhazdSWHVBSWdkcklBIn0","signature":"h0kZDx_GtgEn2Npz7CRfumsO_bpstJpIfRdeRgEH5Z4Gp'
        'Ik79qYeGoSFd6zJSw-GPLqjaspHCqmA0AvJnvVaDw"}]}}'
    ),
    (
        '{"sdmp":{"version":"0.12.0","schemas":["signature"]},"signature":{"identifier":"2eG97sPwRMV7NyWvTRHZ'
        'hEU4fFctzeQPdp_E5bfTuwOe0X99XtNbXGpUYcsQEt660IwUeQM9aF2CcOQ6uM0snQ","payload":"eyJzZG1wIjp7InZlcnNpb'
        "24iOiIwLjEyLjAiLCJzY2hlbWFzIjpbImlkZW50aXR5Il19LCJpZGVudGl0eSI6eyJ0eXBlIjoidXNlciIsImV4cGlyZXMiOiIyM"
        "TI2LTAxLTAxVDAwOjAwOjAwLjAwMFoiLCJrZXkiOiJNQ293QlFZREsyVndBeUVBd0pDUFFkM0tnZmRTd3dCaUQwQkpqWThLYWpmW"
        "nJUREFFSkxtM2Z1MmVEbz0iLCJmaW5nZXJwcmludCI6InJmcE9oVnZwZDV5TWlvV2RpcTExcXA0ODh4dzR0eTI1Q0VoS0xuTW52N"
        'DlsM1ktUTZHV2JDaHFHUUc4TGhUczc3UjE5Sk0tSFZFOGR0NEhvRm1NTll3In19","signatures":[{"protected":"eyJhbGc'
        "iOiJFZERTQSIsImtpZCI6InJmcE9oVnZwZDV5TWlvV2RpcTExcXA0ODh4dzR0eTI1Q0VoS0xuTW52NDlsM1ktUTZHV2JDaHFHUUc"
        '4TGhUczc3UjE5Sk0tSFZFOGR0NEhvRm1NTll3In0","signature":"biQoYYoMez0DWHeZBcfH8032FgKchyPq_fbJ6IfymOkRR'
        '2qC48hy_5uUjLA7KqOjnmkykw8764zN2Kei7wwkCg"}]}}'
    ),
    (
        '{"sdmp":{"version":"0.12.0","schemas":["signature"]},"signature":{"identifier":"WpFSc2Tt-qWLwEJ6dWri'
        'eylClfz1gAbrPo9S4TmOry3zKBfiFDYGVD3X3NYQtl7DWRNX5jC0doqs8kVC9lWgJw","payload":"eyJzZG1wIjp7InZlcnNpb'
        "24iOiIwLjEyLjAiLCJzY2hlbWFzIjpbInNjaGVtYSIsInJlc291cmNlIl19LCJzY2hlbWEiOnsicmVxdWlyZWQiOlsiYWJvdXQiX"
        "SwicHJvcGVydGllcyI6eyJhYm91dCI6eyJ0eXBlIjoib2JqZWN0IiwicmVxdWlyZWQiOlsic3RhbXAiXSwicHJvcGVydGllcyI6e"
        "yJzdGFtcCI6eyJ0eXBlIjoic3RyaW5nIiwicGF0dGVybiI6Il5cXGR7NH0tXFxkXFxkLVxcZFxcZFRcXGRcXGQ6XFxkXFxkOlxcZ"
        "FxcZFxcLlxcZHszfVovWzAtOWEtZl17NH0kIn0sInRhZ3MiOnsidHlwZSI6ImFycmF5IiwiaXRlbXMiOnsidHlwZSI6InN0cmluZ"
        "yIsIm1pbkxlbmd0aCI6MSwibWF4TGVuZ3RoIjoxMDB9LCJtYXhJdGVtcyI6NjQsInVuaXF1ZUl0ZW1zIjp0cnVlfSwidGl0bGUiO"
        "nsidHlwZSI6InN0cmluZyIsIm1heExlbmd0aCI6MzAwfSwiZmlsZW5hbWUiOnsidHlwZSI6InN0cmluZyIsIm1heExlbmd0aCI6M"
        "jU1fSwiZXhwaXJlcyI6eyJ0eXBlIjoic3RyaW5nIiwicGF0dGVybiI6Il5cXGR7NH0tXFxkXFxkLVxcZFxcZFRcXGRcXGQ6XFxkX"
        "FxkOlxcZFxcZFxcLlxcZHszfVokIn0sImNvbnZlcnNhdGlvbiI6eyJ0eXBlIjoic3RyaW5nIiwicGF0dGVybiI6Il5bQS1aYS16M"
        "C05Xy1dezg2fSQifSwicGFyZW50Ijp7InR5cGUiOiJzdHJpbmciLCJwYXR0ZXJuIjoiXltBLVphLXowLTlfLV17ODZ9JCJ9LCJhZ"
        "nRlciI6eyJ0eXBlIjoiYXJyYXkiLCJpdGVtcyI6eyJ0eXBlIjoic3RyaW5nIiwicGF0dGVybiI6Il5bQS1aYS16MC05Xy1dezg2f"
        "SQifSwibWF4SXRlbXMiOjI1NiwidW5pcXVlSXRlbXMiOnRydWV9LCJzdXBlcnNlZGVzIjp7InR5cGUiOiJzdHJpbmciLCJwYXR0Z"
        "XJuIjoiXltBLVphLXowLTlfLV17ODZ9JCJ9fX19fSwicmVzb3VyY2UiOnsidXNlciI6IktnWEtlUmtvSC1YOXk1YXRHTFlHWjJ1R"
        'DAtWXEyS2hiclhmanlIOUNITFNna1ktb3VyamxMN3BkdnpKM0xaYWxQUHFYU2doeGxhazdSWHVBSWdkcklBIn19","signatures'
        '":[{"protected":"eyJhbGciOiJFZERTQSIsImtpZCI6IktnWEtlUmtvSC1YOXk1YXRHTFlHWjJ1RDAtWXEyS2hiclhmanlIOUN'
        'ITFNna1ktb3VyamxMN3BkdnpKM0xaYWxQUHFYU2doeGxhazdSWHVBSWdkcklBIn0","signature":"lupS5UdnlPVjcdptJrhJk'
        'nEe1MImr7r4wLbBFU3l0bRaEa3ESqwgAvcYSptYzq1-Lzg_68z60u5M-2E-F7vXBQ"}]}}'
    ),
    (
        '{"sdmp":{"version":"0.12.0","schemas":["signature"]},"signature":{"identifier":"FXnYRKbut9nqB68LOQMt'
        'dTFDpUKqJ_uPy_eLf4p7EUf7hiNd61zOhZgEPuYL_mVnn27cD-p95z0GcAhKEs6nuA","payload":"eyJzZG1wIjp7InZlcnNpb'
        "24iOiIwLjEyLjAiLCJzY2hlbWFzIjpbInNjaGVtYSIsInJlc291cmNlIl19LCJzY2hlbWEiOnsicmVxdWlyZWQiOlsiZmlsZSJdL"
        "CJwcm9wZXJ0aWVzIjp7ImZpbGUiOnsidHlwZSI6Im9iamVjdCIsInJlcXVpcmVkIjpbInNpemUiXSwicHJvcGVydGllcyI6eyJza"
        "XplIjp7InR5cGUiOiJpbnRlZ2VyIiwibWluaW11bSI6MCwibWF4aW11bSI6NzAzNjg3NDQxNzc2NjR9LCJkYXRhIjp7InR5cGUiO"
        "iJzdHJpbmciLCJwYXR0ZXJuIjoiXltBLVphLXowLTlfLV0qJCJ9LCJjaHVua19ieXRlcyI6eyJ0eXBlIjoiaW50ZWdlciIsIm1pb"
        "mltdW0iOjQwOTYsIm1heGltdW0iOjQxOTQzMDR9LCJkZXB0aCI6eyJlbnVtIjpbMSwyXX0sImNodW5rcyI6eyJ0eXBlIjoiYXJyY"
        "XkiLCJpdGVtcyI6eyJ0eXBlIjoic3RyaW5nIiwicGF0dGVybiI6Il5bQS1aYS16MC05Xy1dezQzfSQifSwibWluSXRlbXMiOjEsI"
        "m1heEl0ZW1zIjo0MDk2fX19fX0sInJlc291cmNlIjp7InVzZXIiOiJLZ1hLZVJrb0gtWDl5NWF0R0xZR1oydUQwLVlxMktoYnJYZ"
        'mp5SDlDSExTZ2tZLW91cmpsTDdwZHZ6SjNMWmFsUFBxWFNnaHhsYWs3Ulh1QUlnZHJJQSJ9fQ","signatures":[{"protected'
        '":"eyJhbGciOiJFZERTQSIsImtpZCI6IktnWEtlUmtvSC1YOXk1YXRHTFlHWjJ1RDAtWXEyS2hiclhmanlIOUNITFNna1ktb3Vya'
        'mxMN3BkdnpKM0xaYWxQUHFYU2doeGxhazdSWHVBSWdkcklBIn0","signature":"MMFUo7GKzHWh0WoqbhBUjZJVdFTBEekc74d'
        'aXzO36EBbobmT2EOYssm6lXGA6aHh0TkrGzctRHbHUFxJO4PkBw"}]}}'
    ),
    (
        '{"sdmp":{"version":"0.12.0","schemas":["signature"]},"signature":{"identifier":"xMIGu7egYIwwQup0YI6C'
        'Ae8VfH6RuBlDcn5Zsd1smQM18E7ec6dkedkXwNKc6H0FWp-qaRp6oCquBKjtMd7xRg","payload":"eyJzZG1wIjp7InZlcnNpb'
        "24iOiIwLjEyLjAiLCJzY2hlbWFzIjpbInNjaGVtYSIsInJlc291cmNlIl19LCJzY2hlbWEiOnsicmVxdWlyZWQiOlsiZW52ZWxvc"
        "GVfa2V5cyJdLCJwcm9wZXJ0aWVzIjp7ImVudmVsb3BlX2tleXMiOnsidHlwZSI6Im9iamVjdCIsInJlcXVpcmVkIjpbImNyZWF0Z"
        "WQiLCJzaWduaW5nIiwic3RvcmFnZSIsImdyb3VwcyJdLCJwcm9wZXJ0aWVzIjp7ImNyZWF0ZWQiOnsidHlwZSI6InN0cmluZyIsI"
        "nBhdHRlcm4iOiJeXFxkezR9LVxcZFxcZC1cXGRcXGRUXFxkXFxkOlxcZFxcZDpcXGRcXGRcXC5cXGR7M31aJCJ9LCJzaWduaW5nI"
        "jp7InR5cGUiOiJzdHJpbmciLCJwYXR0ZXJuIjoiXltBLVphLXowLTlfLV17NDN9JCJ9LCJzdG9yYWdlIjp7InR5cGUiOiJzdHJpb"
        "mciLCJwYXR0ZXJuIjoiXltBLVphLXowLTlfLV17NDN9JCJ9LCJncm91cHMiOnsidHlwZSI6ImFycmF5IiwiaXRlbXMiOnsidHlwZ"
        "SI6Im9iamVjdCIsInJlcXVpcmVkIjpbImNsYXNzIiwiY3JlYXRlZCIsImV4cGlyZXMiLCJzdGVwIiwicG9pbnRzIl0sInByb3Blc"
        "nRpZXMiOnsiY2xhc3MiOnsiZW51bSI6WyJmYXN0IiwiZGF0ZWQiLCJyZWNvdmVyeSJdfSwiY3JlYXRlZCI6eyJ0eXBlIjoic3Rya"
        "W5nIiwicGF0dGVybiI6Il5cXGR7NH0tXFxkXFxkLVxcZFxcZFRcXGRcXGQ6XFxkXFxkOlxcZFxcZFxcLlxcZHszfVokIn0sImV4c"
        "GlyZXMiOnsidHlwZSI6InN0cmluZyIsInBhdHRlcm4iOiJeXFxkezR9LVxcZFxcZC1cXGRcXGRUXFxkXFxkOlxcZFxcZDpcXGRcX"
        "GRcXC5cXGR7M31aJCJ9LCJzdGVwIjp7InR5cGUiOiJpbnRlZ2VyIiwibWluaW11bSI6MCwibWF4aW11bSI6MzE1MzYwMDAwMDAwf"
        "SwicG9pbnRzIjp7InR5cGUiOiJzdHJpbmciLCJwYXR0ZXJuIjoiXihbQS1aYS16MC05Xy1dezQzfSl7MSw2NH0kIn19fSwibWluS"
        "XRlbXMiOjEsIm1heEl0ZW1zIjoxNn19fX19LCJyZXNvdXJjZSI6eyJ1c2VyIjoiS2dYS2VSa29ILVg5eTVhdEdMWUdaMnVEMC1Zc"
        'TJLaGJyWGZqeUg5Q0hMU2drWS1vdXJqbEw3cGR2ekozTFphbFBQcVhTZ2h4bGFrN1JYdUFJZ2RySUEifX0","signatures":[{"'
        'protected":"eyJhbGciOiJFZERTQSIsImtpZCI6IktnWEtlUmtvSC1YOXk1YXRHTFlHWjJ1RDAtWXEyS2hiclhmanlIOUNITFNn'
        'a1ktb3VyamxMN3BkdnpKM0xaYWxQUHFYU2doeGxhazdSWHVBSWdkcklBIn0","signature":"6cDzJDmAo4itBYzFkSLgVOiRSr'
        'FfWNm5_-8tAAZtS4bHuIsI0xZAiTKNZaexWV-0vT6FG6MAktzlfA9N-1XFBQ"}]}}'
    ),
    (
        '{"sdmp":{"version":"0.12.0","schemas":["signature"]},"signature":{"identifier":"b-7UMwn7NBZkPxWGrQr5'
        'UscJNLk9tQZSLQ_1HB_kZr7iiYklJEb90QUMejW9UQyvwAVv5H_ATQv4zNWIbjfwdg","payload":"eyJzZG1wIjp7InZlcnNpb'
        "24iOiIwLjEyLjAiLCJzY2hlbWFzIjpbInNjaGVtYSIsInJlc291cmNlIl19LCJzY2hlbWEiOnsicmVxdWlyZWQiOlsic2VhbGVkI"
        "l0sInByb3BlcnRpZXMiOnsic2VhbGVkIjp7InR5cGUiOiJvYmplY3QiLCJyZXF1aXJlZCI6WyJwb2ludCIsInJlYWRlcnMiLCJib"
        "2R5Il0sInByb3BlcnRpZXMiOnsicG9pbnQiOnsidHlwZSI6InN0cmluZyIsInBhdHRlcm4iOiJeW0EtWmEtejAtOV8tXXs0M30kI"
        "n0sInJlYWRlcnMiOnsidHlwZSI6ImFycmF5IiwiaXRlbXMiOnsidHlwZSI6InN0cmluZyIsInBhdHRlcm4iOiJeW0EtWmEtejAtO"
        "V8tXXs2NH0kIn0sIm1pbkl0ZW1zIjoxLCJtYXhJdGVtcyI6MTAyNH0sImJvZHkiOnsidHlwZSI6InN0cmluZyIsInBhdHRlcm4iO"
        "iJeW0EtWmEtejAtOV8tXSokIn19fX19LCJyZXNvdXJjZSI6eyJ1c2VyIjoicmZwT2hWdnBkNXlNaW9XZGlxMTFxcDQ4OHh3NHR5M"
        'jVDRWhLTG5NbnY0OWwzWS1RNkdXYkNocUdRRzhMaFRzNzdSMTlKTS1IVkU4ZHQ0SG9GbU1OWXcifX0","signatures":[{"prot'
        'ected":"eyJhbGciOiJFZERTQSIsImtpZCI6InJmcE9oVnZwZDV5TWlvV2RpcTExcXA0ODh4dzR0eTI1Q0VoS0xuTW52NDlsM1kt'
        'UTZHV2JDaHFHUUc4TGhUczc3UjE5Sk0tSFZFOGR0NEhvRm1NTll3In0","signature":"2f4eQyL0uP351CLdHcFWMTWCST3cgZ'
        'ghVsE1XNp8XLeNP50AWb7NDASHu_jR03RJsuiWJHK4mGC9dcRr4TXlDw"}]}}'
    ),
    (
        '{"sdmp":{"version":"0.12.0","schemas":["signature"]},"signature":{"identifier":"1TRtS1Ys23C63bGe9bi5'
        'ILNvl7wbyKs0YDXSLITi48npMLuvUknlP23bANX87zFvlCBVcC8NimOG59LbUJFSqw","payload":"eyJzZG1wIjp7InZlcnNpb'
        "24iOiIwLjEyLjAiLCJzY2hlbWFzIjpbInNjaGVtYSIsInJlc291cmNlIl19LCJzY2hlbWEiOnsicmVxdWlyZWQiOlsid3JhcCJdL"
        "CJwcm9wZXJ0aWVzIjp7IndyYXAiOnsidHlwZSI6Im9iamVjdCIsInJlcXVpcmVkIjpbInJlc291cmNlIiwicG9pbnQiLCJyZWFkZ"
        "XJzIl0sInByb3BlcnRpZXMiOnsicmVzb3VyY2UiOnsidHlwZSI6InN0cmluZyIsInBhdHRlcm4iOiJeW0EtWmEtejAtOV8tXXs4N"
        "n0kIn0sInBvaW50Ijp7InR5cGUiOiJzdHJpbmciLCJwYXR0ZXJuIjoiXltBLVphLXowLTlfLV17NDN9JCJ9LCJyZWFkZXJzIjp7I"
        "nR5cGUiOiJhcnJheSIsIml0ZW1zIjp7InR5cGUiOiJzdHJpbmciLCJwYXR0ZXJuIjoiXltBLVphLXowLTlfLV17NjR9JCJ9LCJta"
        "W5JdGVtcyI6MSwibWF4SXRlbXMiOjEwMjR9fX19fSwicmVzb3VyY2UiOnsidXNlciI6InJmcE9oVnZwZDV5TWlvV2RpcTExcXA0O"
        'Dh4dzR0eTI1Q0VoS0xuTW52NDlsM1ktUTZHV2JDaHFHUUc4TGhUczc3UjE5Sk0tSFZFOGR0NEhvRm1NTll3In19","signatures'
        '":[{"protected":"eyJhbGciOiJFZERTQSIsImtpZCI6InJmcE9oVnZwZDV5TWlvV2RpcTExcXA0ODh4dzR0eTI1Q0VoS0xuTW5'
        '2NDlsM1ktUTZHV2JDaHFHUUc4TGhUczc3UjE5Sk0tSFZFOGR0NEhvRm1NTll3In0","signature":"Jzds4qQSVyjZQW4ZYT6Qj'
        'baQIfT7GxVBzIKkg6Vi8UahVQ819Bmj_aRu9pwty86kf60P6-IBdmSiTs0a0dw1BQ"}]}}'
    ),
    (
        '{"sdmp":{"version":"0.12.0","schemas":["signature"]},"signature":{"identifier":"vysToBWRcuNMRuTBfQsu'
        'RGNaJdPD1Ujh_7vyNvBHgGVpzPbWw3DJeZBFpZlNMMtJ00wqqLx534AXiBXWb2NhFw","payload":"eyJzZG1wIjp7InZlcnNpb'
        "24iOiIwLjEyLjAiLCJzY2hlbWFzIjpbInNjaGVtYSIsInJlc291cmNlIl19LCJzY2hlbWEiOnsicmVxdWlyZWQiOlsiZW5kaW5nI"
        "l0sInByb3BlcnRpZXMiOnsiZW5kaW5nIjp7InR5cGUiOiJvYmplY3QiLCJyZXF1aXJlZCI6WyJub2RlIiwibGluZSIsIm51bWJlc"
        "iJdLCJwcm9wZXJ0aWVzIjp7Im5vZGUiOnsidHlwZSI6InN0cmluZyIsInBhdHRlcm4iOiJeW0EtWmEtejAtOV8tXXs4Nn0kIn0sI"
        "mxpbmUiOnsidHlwZSI6InN0cmluZyIsInBhdHRlcm4iOiJeW0EtWmEtejAtOV8tXXs4Nn0kIn0sIm51bWJlciI6eyJ0eXBlIjoia"
        "W50ZWdlciIsIm1pbmltdW0iOjAsIm1heGltdW0iOjkwMDcxOTkyNTQ3NDA5OTF9LCJzdWNjZXNzb3IiOnsidHlwZSI6InN0cmluZ"
        "yIsInBhdHRlcm4iOiJeW0EtWmEtejAtOV8tXXs4Nn0kIn19fX19LCJyZXNvdXJjZSI6eyJ1c2VyIjoicmZwT2hWdnBkNXlNaW9XZ"
        'GlxMTFxcDQ4OHh3NHR5MjVDRWhLTG5NbnY0OWwzWS1RNkdXYkNocUdRRzhMaFRzNzdSMTlKTS1IVkU4ZHQ0SG9GbU1OWXcifX0",'
        '"signatures":[{"protected":"eyJhbGciOiJFZERTQSIsImtpZCI6InJmcE9oVnZwZDV5TWlvV2RpcTExcXA0ODh4dzR0eTI1'
        'Q0VoS0xuTW52NDlsM1ktUTZHV2JDaHFHUUc4TGhUczc3UjE5Sk0tSFZFOGR0NEhvRm1NTll3In0","signature":"cXiFGXAT7V'
        'DeGSxzJniOCs-5o8urFBqX-sgEMlSc1A8BIJpZsze3KqrgNFg20L_N8aFSshcE0UCg4oyHBr2eBQ"}]}}'
    ),
)
"""The publishers' identities and the schemas, as signature objects."""
