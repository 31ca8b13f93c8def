"""Our schemas as published resources. Written by fixtures/make_published.py; do not edit."""

from __future__ import annotations

PUBLISHER = "KgXKeRkoH-X9y5atGLYGZ2uD0-Yq2KhbrXfjyH9CHLSgkY-ourjlL7pdvzJ3LZalPPqXSghxlak7RXuAIgdrIA"
"""The throw-away identity that published them; its private key is not kept."""

URIS: dict[str, str] = {
    "about": "sdmp://KgXKeRkoH-X9y5atGLYGZ2uD0-Yq2KhbrXfjyH9CHLSgkY-ourjlL7pdvzJ3LZalPPqXSghxlak7RXuAIgdrIA/WpFSc2Tt-qWLwEJ6dWrieylClfz1gAbrPo9S4TmOry3zKBfiFDYGVD3X3NYQtl7DWRNX5jC0doqs8kVC9lWgJw",
    "file": "sdmp://KgXKeRkoH-X9y5atGLYGZ2uD0-Yq2KhbrXfjyH9CHLSgkY-ourjlL7pdvzJ3LZalPPqXSghxlak7RXuAIgdrIA/FXnYRKbut9nqB68LOQMtdTFDpUKqJ_uPy_eLf4p7EUf7hiNd61zOhZgEPuYL_mVnn27cD-p95z0GcAhKEs6nuA",
    "envelope_keys": "sdmp://KgXKeRkoH-X9y5atGLYGZ2uD0-Yq2KhbrXfjyH9CHLSgkY-ourjlL7pdvzJ3LZalPPqXSghxlak7RXuAIgdrIA/xMIGu7egYIwwQup0YI6CAe8VfH6RuBlDcn5Zsd1smQM18E7ec6dkedkXwNKc6H0FWp-qaRp6oCquBKjtMd7xRg",
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
)
"""The publisher's identity and the schemas, as signature objects."""
